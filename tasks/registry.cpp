// SPDX-License-Identifier: Apache-2.0
#include "tasks/registry.h"

#include <algorithm>
#include <utility>

#include "harness/base/error.h"
#include "harness/base/names.h"
#include "tasks/answers.h"
#include "tasks/continuation.h"
#include "tasks/efficiency.h"
#include "tasks/memory/babilong_prompts.h"
#include "tasks/memory/babilong_task.h"
#include "tasks/memory/memory_task.h"
#include "tasks/memory/recall_task.h"
#include "tasks/metrics/metric.h"
#include "tasks/pg19.h"
#include "tasks/retention.h"
#include "tasks/text.h"

namespace lethe::tasks {

namespace {

/// The task's own options and those of its windows.
std::vector<std::string> with_windows(std::vector<std::string> help, const std::string& stream) {
  for (const auto& line :
       {"windows: per " + stream + ", or \"all\" (default) that fit",
        std::string("stride: tokens from window to window (default: no overlap, no gap)"),
        std::string("start: token offset of the first window (default 0)"),
        "bos: auto (default: head of the " + stream +
            ", if the tokenizer asks for it), never, window",
        std::string("tail: drop (the tokens that fill no window)"),
        std::string(
            "prompt: tokens at the head of a window that are only read (default: none); the "
            "schedules post-prompt and prefill-only cut after them")}) {
    help.push_back(line);
  }
  return help;
}

bool is_memory_task(const std::string& name) {
  return name == "memorise" || name == "detect" || name == "reasoning";
}

NamedInfo memory_task(FactTask task, const std::string& summary) {
  return {to_string(task),
          summary + ", answered by a model with recurrent memory or by a decoder under a policy",
          "arXiv 2304.11062, section 3",
          {"fact: start, segment or uniform: where facts stand (default uniform; memorise: start)",
           "segment: text tokens of a segment (default 499); the length is a multiple of it",
           "confusers: hard negatives, share of tokens that are words of facts (default 0.0005)",
           "noise: words (default; the vocabulary of data/rmt), pg19 (excerpts of books), document "
           "(one excerpt over and over)",
           "samples (default 64), seed (of the test set, default 0), lanes: samples in step "
           "(default 4)",
           "data: folder of the books (default data/samples/pg19), document_tokens (default "
           "5000)"}};
}

std::vector<NamedInfo> own_tasks() {
  return {
      {"continuation",
       "books continued under a cache budget: the text, and how fast it came",
       "tasks/continuation.h",
       {"new: tokens generated at the end of a window, greedily (default 64); the rest of the "
        "length is the prompt",
        "lanes: samples generated in step (default 8)",
        "books, data, windows, stride, start, bos, tail: as in pg19"}},
      {"efficiency",
       "the largest batch whose caches fit into a given memory, and how fast it decodes",
       "arXiv 2401.06104, section 7.1 and Table 1",
       {"memory_mib: for keys and values of all samples in step (default 256)",
        "new, books, data, windows, stride, start, bos, tail: as in continuation"}},
      {"pg19", "perplexity of windows of PG-19 books", "arXiv 2401.06104, sections 5.2 and 6.1",
       with_windows({"books: list of ids, or \"all\" (default)",
                     "data: folder of <id>.txt (default data/samples/pg19)"},
                    "book")},
      {"retention",
       "which tokens a policy keeps and for how long, with the perplexity of the same windows",
       "arXiv 2401.06104, section 7.3, appendices G and H",
       {"tags: folder of <id>.tsv, tags of words, such as data/samples/pg19-tags (default: none)",
        "books, data, windows, stride, start, bos, tail, prompt: as in pg19"}},
      {"text", "perplexity of windows of one stream of texts, up to 2,097,152 tokens each",
       "tasks/text.h; concatenated books as in arXiv 2309.17453",
       with_windows({"files: list of texts, in the order of the stream; or books:",
                     "data: folder of <id>.txt, or a list of folders (default: "
                     "data/samples/pg19, data/samples/pg19-stream)",
                     "books: list of ids, or \"all\" (default), folder by folder"},
                    "stream")},
      {"recall",
       "16 pairs of a key and a value strewn into noise, all of them asked for at the end; for "
       "decoders trained on its words",
       "tasks/memory/recall_task.h; associative retrieval of arXiv 2207.06881, section 4.2, "
       "stretched",
       {"samples (default 64), seed (of the test set, default 0)",
        "seeds: a list of numbers: these samples instead of the test set"}},
      memory_task(FactTask::kMemorise, "one fact at the start of a long text"),
      memory_task(FactTask::kDetect, "one fact somewhere in a long text"),
      memory_task(FactTask::kReasoning, "two relations of places in a long text, one asked for")};
}

std::vector<NamedInfo> babilong_tasks(const std::filesystem::path& root) {
  std::vector<NamedInfo> tasks;
  // A root without them has no such tasks, as with declarations.
  if (!std::filesystem::exists(root / "data" / "babilong")) return tasks;
  for (const auto& prompt : read_babilong_prompts(root).tasks) {
    tasks.push_back(
        {BabilongTask::kPrefix + prompt.name,
         "BABILong: facts of bAbI's " + prompt.file +
             " among sentences of books, answered in words, or by a model with recurrent memory",
         "arXiv 2406.10149, sections 2 and 3",
         {"data: sample (default; qa1 to qa5), dataset (./lethe fetch babilong), or the folder of "
          "bAbI's test files",
          "background: folder of <id>.txt, or a list of folders (default: data/samples/pg19, "
          "data/samples/pg19-stream)",
          "samples: questions (default 100, those of the authors first), seed (of places and "
          "background, default 0)",
          "facts_only: no background, the authors' length 0k; the length is then the most tokens",
          "most_facts: questions with more are left out (default: lines - 1 of (length - 300) / 8, "
          "the authors' rule)",
          "chat: in the model's chat template (default true); ask_after_cut: true cuts the cache "
          "before it sees the question",
          "segment: text tokens of a segment of a recurrent model (default 512), lanes: samples in "
          "step (default 8)"}});
  }
  return tasks;
}

}  // namespace

std::unique_ptr<Task> make_task(const std::string& name, const json::object& options,
                                std::int64_t length, const std::filesystem::path& root) {
  if (name == "pg19") {
    return std::make_unique<Pg19Task>(Pg19Options::parse(options, root), length);
  }
  if (name == "text") {
    return std::make_unique<TextTask>(TextOptions::parse(options, root), length);
  }
  if (name == "continuation") {
    return std::make_unique<ContinuationTask>(ContinuationOptions::parse(options, root), length);
  }
  if (name == "efficiency") {
    return std::make_unique<EfficiencyTask>(EfficiencyOptions::parse(options, root), length);
  }
  if (name == "retention") {
    return std::make_unique<RetentionTask>(RetentionOptions::parse(options, root), length);
  }
  if (name == "recall") {
    return std::make_unique<RecallTask>(RecallOptions::parse(options), length);
  }
  if (is_memory_task(name)) {
    return std::make_unique<MemoryTask>(MemoryTaskOptions::parse(name, options, root), length);
  }
  if (name.starts_with(BabilongTask::kPrefix)) {
    return std::make_unique<BabilongTask>(name, BabilongOptions::parse(name, options, root), length,
                                          root);
  }
  const auto declared = declared_tasks(root);
  const bool ships = std::ranges::any_of(declared, [&](const auto& f) { return f.stem() == name; });
  if (ships || options.contains("file")) {
    auto answers = AnswerOptions::parse(name, options, root);
    auto declaration = read_answer_declaration(answers.declaration);
    if (declaration.name != name) {
      throw Error(ErrorKind::kConfig, "task " + name + ": file: " + answers.declaration.string() +
                                          " declares '" + declaration.name +
                                          "'; give the task that name");
    }
    return std::make_unique<AnswerTask>(std::move(declaration), std::move(answers), length, root);
  }
  std::vector<std::string> known;
  for (const auto& task : own_tasks()) known.push_back(task.name);
  for (const auto& task : babilong_tasks(root)) known.push_back(task.name);
  for (const auto& file : declared) known.push_back(file.stem().string());
  throw unknown_name(ErrorKind::kConfig, "task", name, known);
}

std::optional<double> rescore(const std::string& task, const std::string& output,
                              const std::filesystem::path& root) {
  if (task == "retention") return RetentionTask::rescore(output);
  if (output.empty()) return std::nullopt;
  if (is_memory_task(task)) return MemoryTask::rescore(output);
  if (task == "recall") return RecallTask::rescore(output);
  const auto own = own_tasks();
  if (std::ranges::any_of(own, [&](const auto& known) { return known.name == task; })) {
    return std::nullopt;
  }
  return AnswerTask::rescore(output, root);
}

std::vector<NamedInfo> list_tasks(const std::filesystem::path& root) {
  auto tasks = own_tasks();
  for (auto& task : babilong_tasks(root)) tasks.push_back(std::move(task));
  for (const auto& file : declared_tasks(root)) {
    const auto task = read_answer_declaration(file);
    std::vector<std::string> help{"data: dataset (default; ./lethe fetch " + task.dataset + ")" +
                                      (task.sample ? ", sample (records that ship)" : "") +
                                      ", or the folder of " + task.file,
                                  "records: the first so many, or \"all\" (default)",
                                  "lanes: samples generated in step (default 8)"};
    if (task.cut == CutRule::kDocumentEnd) {
      help.emplace_back("ask_after_cut: true cuts the cache before it sees the question");
    }
    tasks.push_back({task.name, task.title, task.source, std::move(help)});
  }
  return tasks;
}
std::vector<NamedInfo> list_metrics() {
  const std::string where = "tasks/metrics/perplexity.h; column metric of the view results";
  std::vector<NamedInfo> all{
      {"mean_nll", "sum of NLL / number of predicted tokens, nats per model token", where, {}},
      {"ppl", "token average: exp(mean_nll), a long book weighs more", where, {}},
      {"ppl_book", "book average: mean of the books' own perplexities", where, {}},
      {"score",
       "the task's own; retention: share of the kept tokens that are among the newest",
       "tasks/metrics/retention.h; column metric of the view results",
       {}}};
  for (const auto& metric : scoring_metrics()) {
    std::vector<std::string> details{"lethe score, version " + std::to_string(metric.version) +
                                     "; reads " + join(metric.reads, ", ")};
    if (metric.words == WordsNeeded::kChinese) {
      details.emplace_back("cuts Chinese words: ./lethe setup");
    } else if (metric.words == WordsNeeded::kJapanese) {
      details.emplace_back(
          "cuts Japanese words, unless the case brings tokens: ./lethe setup --japanese");
    }
    all.push_back({metric.name, metric.summary, metric.source, std::move(details)});
  }
  return all;
}

}  // namespace lethe::tasks
