// SPDX-License-Identifier: Apache-2.0
#include "tasks/memory/babilong_task.h"

#include <algorithm>
#include <set>
#include <utility>

#include "harness/base/error.h"
#include "harness/base/hash.h"
#include "harness/base/names.h"
#include "harness/base/seed.h"
#include "harness/base/text.h"
#include "tasks/answer_score.h"
#include "tasks/datasets/pg19_books.h"
#include "tasks/datasets/record_file.h"
#include "tasks/memory/recurrent_run.h"
#include "tasks/metrics/metric.h"
#include "tasks/run_one.h"
#include "tasks/task_files.h"
#include "tasks/window_options.h"

namespace lethe::tasks {
namespace {

namespace fs = std::filesystem;

constexpr const char* kDocument = "context";
/// Longest answer, as in the authors' run_model_on_babilong.py.
constexpr std::int64_t kMostNew = 20;
/// What their create_tasks.py leaves for the prompt, and the tokens of a line that its limit of
/// facts counts with.
constexpr std::int64_t kPromptTokens = 300, kTokensOfLine = 8;

BabilongPrompt prompt_of(const std::string& task, const BabilongPrompts& prompts) {
  std::vector<std::string> known;
  for (const auto& prompt : prompts.tasks) {
    if (BabilongTask::kPrefix + prompt.name == task) return prompt;
    known.push_back(BabilongTask::kPrefix + prompt.name);
  }
  throw unknown_name(ErrorKind::kConfig, "task", task, known);
}

AnswerDeclaration declared(const std::string& name, const BabilongPrompts& prompts,
                           const BabilongPrompt& prompt, bool chat) {
  AnswerDeclaration task;
  task.name = name;
  task.title = "BABILong " + prompt.name + ": facts of " + prompt.file + " among books";
  task.source = "arXiv 2406.10149; booydar/babilong at 7a6efee";
  task.benchmark = "BABILong";
  task.group = "facts among books";
  task.prompt = prompts.frame;
  task.document = kDocument;
  task.chat = chat;
  task.cut = CutRule::kDocumentEnd;
  task.max_new = kMostNew;
  task.metrics = {{"babilong_compare_answers"}, {"scrolls_exact_match"}};
  return task;
}

/// Most facts that a question of a text of `length` tokens may have.
std::optional<std::int64_t> most_facts(const BabilongOptions& options, std::int64_t length) {
  if (options.most_facts || options.facts_only) return options.most_facts;
  return (length - kPromptTokens) / kTokensOfLine - 1;
}

/// First the questions of `indices`, then the others.
void put_first(std::vector<BabiQuestion>& questions, const std::vector<std::int64_t>& indices) {
  const std::set<std::int64_t> chosen(indices.begin(), indices.end());
  std::ranges::stable_partition(questions, [&](const auto& q) { return chosen.contains(q.index); });
}

}  // namespace

BabilongOptions BabilongOptions::parse(const std::string& task, const json::object& object,
                                       const fs::path& root) {
  const json::value holder(object);
  ObjectReader reader(holder, "task " + task, ErrorKind::kConfig);
  BabilongOptions options;
  options.data = reader.string("data", options.data);
  if (reader.has("background")) {
    options.background = read_paths(reader, "background", root);
  } else {
    options.background = {look_for("data/samples/pg19", root),
                          look_for("data/samples/pg19-stream", root)};
  }
  options.samples =
      at_least(reader.integer("samples", options.samples), 1, reader.where("samples"));
  options.facts_only = reader.boolean("facts_only", false);
  if (reader.has("most_facts")) {
    options.most_facts = at_least(reader.integer("most_facts"), 1, reader.where("most_facts"));
  }
  options.seed = at_least(reader.integer("seed", 0), 0, reader.where("seed"));
  options.chat = reader.boolean("chat", true);
  options.ask_after_cut = reader.boolean("ask_after_cut", false);
  options.segment =
      at_least(reader.integer("segment", options.segment), 1, reader.where("segment"));
  options.lanes = at_least(reader.integer("lanes", options.lanes), 1, reader.where("lanes"));
  reader.finish();
  return options;
}

BabilongTask::BabilongTask(const std::string& name, BabilongOptions options, std::int64_t length,
                           const fs::path& root)
    : name_(name),
      options_(std::move(options)),
      length_(at_least(length, 2, "task " + name + ": length")),
      root_(root) {
  if (length_ > kLongest) {
    throw Error(ErrorKind::kConfig, "task " + name_ + ": expected a length of at most " +
                                        with_thousands(kLongest) + " tokens, found " +
                                        with_thousands(length_));
  }
  const auto prompts = read_babilong_prompts(root_);
  prompt_ = prompt_of(name_, prompts);
  declaration_ = declared(name_, prompts, prompt_, options_.chat);
  const std::string test = prompt_.file + "_test.txt";
  TaskData data{name_, "babilong", "tasks_1-20_v1-2/en-10k/" + test, {}};
  if (fs::path sample = fs::path("data/samples/babi") / (test + ".xz");
      fs::is_regular_file(root_ / sample)) {
    data.sample = std::move(sample);
  }
  const auto file = task_data_file(data, options_.data, root_);
  questions_ = read_babi_questions(file);
  questions_sha256_ = content_sha256(file);
  put_first(questions_, read_babilong_indices(root_, prompt_.name));
  if (const auto most = most_facts(options_, length_)) {
    std::erase_if(questions_, [&](const BabiQuestion& question) {
      return static_cast<std::int64_t>(question.facts.size()) > *most;
    });
  }
  if (static_cast<std::int64_t>(questions_.size()) < options_.samples) {
    throw Error(ErrorKind::kConfig,
                "task " + name_ + ": samples: expected at most " +
                    std::to_string(questions_.size()) + ", as many questions of " + file.string() +
                    " have few enough facts for a length of " + with_thousands(length_) +
                    ", found " + std::to_string(options_.samples) +
                    "; choose fewer, a longer length, or \"most_facts\"");
  }
  questions_.resize(static_cast<std::size_t>(options_.samples));
  for (std::size_t i = 0; i < questions_.size(); ++i) at_[id_of(questions_[i])] = i;
  if (options_.facts_only) return;
  for (const auto& folder : options_.background) {
    const Pg19Books books(folder);
    for (const auto& id : books.ids()) {
      const Book book = books.read(id);
      if (!books_.emplace(id, book.sha256).second) {
        throw Error(ErrorKind::kData,
                    "task " + name_ + ": background: book " + id + " is there twice");
      }
    }
  }
}

json::object BabilongTask::identity() const {
  json::array metrics;
  for (const auto& use : declaration_.metrics) {
    metrics.push_back({{"name", use.name}, {"version", find_metric(use.name).version}});
  }
  json::object options{{"samples", options_.samples},
                       {"facts_only", options_.facts_only},
                       {"seed", options_.seed},
                       {"chat", options_.chat},
                       {"ask_after_cut", options_.ask_after_cut},
                       {"segment", options_.segment}};
  if (options_.most_facts) options["most_facts"] = *options_.most_facts;
  // Where a user's own folder lies is no part of what was computed.
  if (options_.data == "sample") options["data"] = options_.data;
  return {{"kind", "answers"},
          {"version", kVersion},
          {"title", declaration_.title},
          {"benchmark", declaration_.benchmark},
          {"group", declaration_.group},
          {"prompt_sha256", sha256_hex(declaration_.prompt + prompt_.instruction +
                                       prompt_.examples + prompt_.post_prompt)},
          {"questions_sha256", questions_sha256_},
          {"books", books_},
          {"sample", options_.data == "sample"},
          {"metrics", std::move(metrics)},
          {"aggregate", to_string(declaration_.aggregate)},
          {"truncation", to_string(declaration_.cut)},
          {"max_new", declaration_.max_new},
          {"chat", declaration_.chat},
          {"ask_after_cut", options_.ask_after_cut},
          {"sanity", nullptr},
          {"options", std::move(options)}};
}

std::string BabilongTask::id_of(const BabiQuestion& question) const {
  return prompt_.name + "/" + std::to_string(question.index);
}

std::vector<SampleInfo> BabilongTask::samples(const models::Tokenizer& tokenizer) const {
  // A text is a function of these; millions of tokens are not hashed for every plan.
  const std::string of = "babilong\n" + canonical_json(identity()) + "\n" +
                         std::to_string(length_) + "\n" + tokenizer.content_sha256() + "\n";
  std::vector<SampleInfo> samples;
  for (const auto& question : questions_) {
    const std::string id = id_of(question);
    samples.push_back(
        {id, sha256_hex(of + id), prompt_.name + "/story-" + std::to_string(question.story)});
  }
  return samples;
}

const BabiQuestion& BabilongTask::question(const std::string& id) const {
  const auto found = at_.find(id);
  if (found != at_.end()) return questions_[found->second];
  throw Error(ErrorKind::kData, "task " + name_ + ": there is no sample '" + id + "'; expected " +
                                    prompt_.name + "/INDEX of one of its " +
                                    std::to_string(questions_.size()) + " questions");
}

std::uint64_t BabilongTask::seed_of(const BabiQuestion& question) const {
  // "babilong/test/…": no training sample has a seed of this form.
  return derive_seed(static_cast<std::uint64_t>(options_.seed), "babilong/test/" + id_of(question));
}

BabilongGenerator BabilongTask::generator(const models::Tokenizer& tokenizer) const {
  const std::scoped_lock lock(mutex_);
  const std::string sha256 = tokenizer.content_sha256();
  if (!background_ || sha256 != tokenizer_sha256_) {
    const SentenceTokens tokens(tokenizer);
    auto background = std::make_shared<Background>();
    if (!options_.facts_only) {
      for (const auto& folder : options_.background) {
        const Pg19Books books(folder);
        for (const auto& id : books.ids()) background->add(books.read(id).text, tokens);
      }
    }
    background_ = std::move(background);
    tokenizer_sha256_ = sha256;
  }
  return {background_, tokenizer};
}

AnswerRecord BabilongTask::record(const BabiQuestion& question) const {
  AnswerRecord record;
  record.id = id_of(question);
  record.fields = {{"instruction", prompt_.instruction},
                   {"examples", prompt_.examples},
                   {"post_prompt", prompt_.post_prompt},
                   {"question", question.question}};
  record.references = {question.answer};
  record.classes = prompt_.labels;
  record.question = question.question;
  return record;
}

AskedAnswer BabilongTask::ask(const BabiQuestion& question, const BabilongGenerator& texts,
                              const models::Tokenizer& tokenizer,
                              const RunSettings& settings) const {
  AskedAnswer asked;
  asked.record = record(question);
  auto frame = make_prompt_frame(declaration_, asked.record, tokenizer, settings.chat_template);
  const auto head = static_cast<std::int64_t>(frame.head.size());
  const auto around = head + static_cast<std::int64_t>(frame.tail.size());
  const auto check_room = [&](std::int64_t needed, std::int64_t room, const char* advice) {
    if (needed <= room) return;
    throw Error(ErrorKind::kData, "sample " + asked.record.id + ": expected room for at least " +
                                      with_thousands(needed) +
                                      " tokens, as its prompt has without background, found " +
                                      with_thousands(room) + "; choose " + advice);
  };
  check_room(around + 1, length_, "a longer length");
  const auto text =
      texts.text(question, seed_of(question),
                 options_.facts_only ? std::nullopt : std::optional(length_ - around));
  check_room(around + text.tokens(), length_, "a longer length");
  std::int64_t kept = text.tokens();
  const bool input_cut = cuts_input_to_budget(settings);
  if (input_cut) {
    check_room(around + 1, *settings.budget, "a larger budget");
    kept = std::min(kept, *settings.budget - around);
  }
  std::vector<std::int64_t> context(static_cast<std::size_t>(kept));
  text.fill(0, context);
  auto& prompt = asked.prompt;
  prompt.text =
      frame.head_text + tokenizer.decode_text(context, /*skip_special=*/true) + frame.tail_text;
  prompt.tokens = std::move(frame.head);
  prompt.tokens.insert(prompt.tokens.end(), context.begin(), context.end());
  prompt.tokens.insert(prompt.tokens.end(), frame.tail.begin(), frame.tail.end());
  prompt.bos_count = frame.bos_count;
  if (kept < text.tokens()) {
    prompt.cut = PromptCut{head + kept, text.tokens() - kept};
    prompt.document_kept = kept;
  }
  if (options_.ask_after_cut && !input_cut) asked.cut_after = head + kept;
  json::array facts;
  for (const std::int64_t offset : text.fact_offsets()) facts.push_back(head + offset);
  asked.more["fact_tokens"] = std::move(facts);
  return asked;
}

SampleOutcome BabilongTask::run(const std::string& sample_id, const models::Tokenizer& tokenizer,
                                const models::Model& model, const RunSettings& settings) const {
  return run_one(*this, sample_id, tokenizer, model, settings);
}

void BabilongTask::run_all(std::span<const std::string> sample_ids,
                           const models::Tokenizer& tokenizer, const models::Model& model,
                           const RunSettings& settings, const SampleHooks& hooks) const {
  const auto texts = generator(tokenizer);
  answer_samples(
      {declaration_, tokenizer, model, settings, options_.lanes, root_}, sample_ids,
      [&](const std::string& id) { return ask(question(id), texts, tokenizer, settings); }, hooks);
}

void BabilongTask::check_recurrent(const models::RecurrentConfig& config) const {
  const std::string where = "task " + name_ + ": ";
  if (options_.facts_only || length_ % options_.segment != 0) {
    throw Error(ErrorKind::kConfig,
                where + "a model with recurrent memory reads whole segments of text: expected a " +
                    "length that is a multiple of \"segment\" (" +
                    std::to_string(options_.segment) + "), without \"facts_only\", found " +
                    std::to_string(length_));
  }
  if (options_.segment > config.segment_tokens) {
    throw Error(ErrorKind::kConfig, where + "segment: expected at most " +
                                        std::to_string(config.segment_tokens) +
                                        " text tokens, which the checkpoint has, found " +
                                        std::to_string(options_.segment));
  }
  if (!std::ranges::is_permutation(config.labels, prompt_.labels)) {
    throw Error(ErrorKind::kModel,
                where + "expected a checkpoint whose classes are " + join(prompt_.labels, ", ") +
                    ", found " + (config.labels.empty() ? "none" : join(config.labels, ", ")));
  }
}

void BabilongTask::run_recurrent(std::span<const std::string> sample_ids,
                                 const models::Tokenizer& tokenizer,
                                 const models::RecurrentModel& model, const RunSettings& settings,
                                 const SampleHooks& hooks) const {
  const auto texts = generator(tokenizer);
  const auto segments_of = [&](const BabiQuestion& asked) -> std::shared_ptr<const SegmentSource> {
    return texts.segments(asked, seed_of(asked), length_ / options_.segment, options_.segment,
                          model.recurrent().labels);
  };
  SampleHooks scored = hooks;
  scored.done = [&](const std::string& id, SampleOutcome outcome) {
    // The name of the class is the answer, scored as a decoder's text is.
    json::object found = parse_json(outcome.output, "output", ErrorKind::kInternal).as_object();
    auto answer = score_answer(declaration_, record(question(id)),
                               std::string(found.at("predicted").as_string()), root_);
    for (const char* name : {"segments", "fact_segments", "logits", "resident_bytes"}) {
      answer.output[name] = found.at(name);
    }
    answer.output["stop"] = "class";
    answer.output["cut"] = nullptr;
    outcome.output = json::serialize(answer.output);
    outcome.score = answer.score;
    hooks.done(id, std::move(outcome));
  };
  const RecurrentRun run(model, settings);
  const auto lanes = static_cast<std::size_t>(options_.lanes);
  for (std::size_t begin = 0; begin < sample_ids.size() && !hooks.stop_requested();
       begin += lanes) {
    std::vector<RecurrentSample> batch;
    for (const auto& id : sample_ids.subspan(begin, std::min(lanes, sample_ids.size() - begin))) {
      const BabiQuestion& own = question(id);
      const BabiQuestion& other = questions_[(at_.at(id) + 1) % questions_.size()];
      batch.push_back({id, segments_of(own), segments_of(other)});
    }
    run.samples(batch, scored);
  }
}

}  // namespace lethe::tasks
