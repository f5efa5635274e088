// SPDX-License-Identifier: Apache-2.0
#include "tests/reports/answer_fixture.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "harness/base/hash.h"
#include "harness/base/json.h"
#include "harness/base/seed.h"

namespace lethe::test {
namespace {

json::object identity_of(const AnswerGrid& grid, const AnswerTaskSpec& task) {
  json::object identity{
      {"kind", "answers"},
      {"version", task.version},
      {"title", task.title},
      {"benchmark", grid.benchmark},
      {"group", task.group},
      {"records", task.records.size()},
      {"sample", true},
      {"metrics", json::array{json::object{{"name", task.metric}, {"version", 1}}}},
      {"aggregate", task.aggregate},
      {"truncation", grid.benchmark == "TOVA tasks" ? "document-end" : "middle"},
      {"max_new", task.max_new},
      {"chat", task.chat},
      {"sanity", nullptr}};
  if (task.sanity) {
    identity["sanity"] = {{"least", task.sanity->first}, {"most", task.sanity->second}};
  }
  return identity;
}

std::string inputs_of(const AnswerGrid& grid, const AnswerTaskSpec& task, const std::string& policy,
                      std::optional<std::int64_t> budget) {
  json::object inputs{{"model", {{"name", grid.model}}},
                      {"task", {{"name", task.name}, {"identity", identity_of(grid, task)}}},
                      {"samples", sha256_hex(task.name)},
                      {"policy", policy},
                      {"budget", budget ? json::value(*budget) : json::value(nullptr)},
                      {"schedule", grid.schedule},
                      {"positions", grid.positions},
                      {"length", grid.length},
                      {"dtype", grid.dtype},
                      {"kv_dtype", grid.kv_dtype},
                      {"engine_version", grid.engine_version}};
  if (budget && !grid.plugin_sha256.empty()) inputs["plugin_sha256"] = grid.plugin_sha256;
  return canonical_json(inputs);
}

std::string output_of(const AnswerTaskSpec& task, const AnswerRecordSpec& record,
                      const AnswerSpec& answer, std::int64_t cut, std::int64_t kept) {
  json::object scores;
  if (answer.score) scores[task.metric] = *answer.score;
  for (const auto& [name, value] : answer.scores) scores[name] = value;
  json::object output{
      {"text", answer.text},
      {"answer", answer.answer},
      {"stop", answer.stop},
      {"prompt_sha256", sha256_hex(record.id)},
      {"cut", nullptr},
      {"scores", std::move(scores)},
      {"references", json::array(record.references.begin(), record.references.end())},
      {"classes", nullptr},
      {"words", nullptr}};
  if (cut > 0) output["cut"] = {{"from", kept / 2}, {"tokens", cut}};
  if (record.words) output["words"] = *record.words;
  if (!answer.raises.empty()) output["raises"] = answer.raises;
  return json::serialize(output);
}

std::string number(std::size_t i) {
  return (i < 10 ? "0" : "") + std::to_string(i);
}

/// A number in [0, 1) from names: the same in every run.
double chance(const std::string& name) {
  return static_cast<double>(derive_seed(0, name) >> 11) / 9007199254740992.0;
}

struct GroupOfTasks {
  const char* group;
  const char* metric;
  std::vector<std::array<const char*, 2>> tasks;
  double level;
  std::int64_t max_new;
};

std::vector<GroupOfTasks> longbench_groups() {
  return {{"Single-Document QA",
           "qa_f1_score",
           {{"narrativeqa", "NarrativeQA"},
            {"qasper", "Qasper"},
            {"multifieldqa_en", "MultiFieldQA-en"},
            {"multifieldqa_zh", "MultiFieldQA-zh"}},
           0.17,
           64},
          {"Multi-Document QA",
           "qa_f1_score",
           {{"hotpotqa", "HotpotQA"},
            {"2wikimqa", "2WikiMultihopQA"},
            {"musique", "MuSiQue"},
            {"dureader", "DuReader"}},
           0.11,
           32},
          {"Summarization",
           "rouge_score",
           {{"gov_report", "GovReport"},
            {"qmsum", "QMSum"},
            {"multi_news", "MultiNews"},
            {"vcsum", "VCSUM"}},
           0.19,
           512},
          {"Few-shot Learning",
           "classification_score",
           {{"trec", "TREC"}, {"triviaqa", "TriviaQA"}, {"samsum", "SAMSum"}, {"lsht", "LSHT"}},
           0.42,
           64},
          {"Synthetic Tasks",
           "retrieval_score",
           {{"passage_count", "PassageCount"},
            {"passage_retrieval_en", "PassageRetrieval-en"},
            {"passage_retrieval_zh", "PassageRetrieval-zh"}},
           0.04,
           32}};
}

std::string trial_text(const AnswerTaskSpec& task, std::size_t record) {
  static const std::array<std::string, 6> texts{
      "Jean Paul Getty",
      "The answer is <b>\"May 19, 1669\"</b> & nothing else, `as given` in the text.",
      "根据文章，2013年的人口为三百七十万。",
      "",
      "First line\nsecond line\twith a tab and \x01 a control character",
      "1,234"};
  std::string text = texts[record % texts.size()];
  if (task.max_new >= 512) {
    for (int i = 0; i < 12; ++i) {
      text += " The committee met in spring and asked the agency to report on its programmes.";
    }
  }
  return text;
}

AnswerSpec trial_answer(const AnswerTaskSpec& task, double level, const std::string& policy,
                        std::optional<std::int64_t> budget, std::size_t record) {
  const std::string name = task.name + "/" + std::to_string(record);
  double share = 1;
  if (budget) {
    const double scarcity = std::log2(2048.0 / static_cast<double>(*budget));
    const double slope = policy == "tova"       ? 0.05
                         : policy == "h2o"      ? 0.045
                         : policy == "truncate" ? 0.15
                                                : 0.11;
    share = std::max(0.0, 1 - slope * scarcity * (0.5 + chance(name + policy)));
  }
  AnswerSpec answer;
  answer.text = trial_text(task, record);
  answer.answer = answer.text;
  const double base = std::min(1.0, level * 2 * chance(name));
  const bool zero = base < 0.02 || answer.text.empty();
  answer.score = zero ? 0 : base * share;
  if (task.metric == "rouge_score") {
    const bool overflow = record % 4 == 1;
    answer.scores.emplace_back("rouge_score_unbounded", *answer.score);
    if (overflow) answer.score = 0;
  }
  answer.stop = chance(name + "stop") < 0.3 ? "length" : "end";
  return answer;
}

}  // namespace

store::ProvenanceRecord answer_provenance() {
  return {.created_at = "2026-11-27T01:00:00Z",
          .version = "0.1.0",
          .git_commit = std::string(40, 'a'),
          .git_dirty = false,
          .compiler = "GNU 12.2.0",
          .flags = "",
          .build_type = "Release",
          .torch_version = "2.15.0",
          .cpu = "Test CPU",
          .device = "cpu",
          .threads = 2,
          .host = "host",
          .kernel = "Linux",
          .command = "lethe reproduce longbench-mini",
          .suite_sha256 = std::string(64, 'b')};
}

std::string answer_cell_key(const AnswerGrid& grid, const AnswerTaskSpec& task,
                            const std::string& policy, std::optional<std::int64_t> budget) {
  return sha256_hex(inputs_of(grid, task, policy, budget));
}

void add_answers(store::RunStore& store, const AnswerGrid& grid) {
  const auto run = store.begin_run(answer_provenance());
  std::vector<store::CellRecord> cells;
  std::vector<store::SampleRow> rows;
  const auto add = [&](const AnswerTaskSpec& task, const std::string& policy,
                       std::optional<std::int64_t> budget) {
    const std::string key = answer_cell_key(grid, task, policy, budget);
    cells.push_back({.key = key,
                     .suite = grid.suite,
                     .task = task.name,
                     .model = grid.model,
                     .policy = policy,
                     .budget = budget,
                     .schedule = grid.schedule,
                     .positions = grid.positions,
                     .length = grid.length,
                     .dtype = grid.dtype,
                     .kv_dtype = grid.kv_dtype,
                     .seed = 0,
                     .inputs = inputs_of(grid, task, policy, budget),
                     .n_samples = static_cast<std::int64_t>(task.records.size())});
    for (std::size_t i = 0; i < task.records.size(); ++i) {
      const AnswerRecordSpec& record = task.records[i];
      const std::int64_t limit =
          policy == "truncate" ? std::min(grid.length, *budget) : grid.length;
      const AnswerSpec answer = grid.answering(task, policy, budget, i);
      store::SampleRow row{.cell_key = key, .provenance_id = run, .record = {}};
      row.record.sample_id = record.id;
      row.record.sample_hash = sha256_hex(task.name + record.id);
      row.record.sample_key = sha256_hex(key + row.record.sample_hash);
      row.record.cluster = record.cluster;
      row.record.tokens_in = std::min(record.tokens, limit);
      row.record.tokens_cut = std::max<std::int64_t>(0, record.tokens - limit);
      row.record.tokens_seen = row.record.tokens_in + 5;
      row.record.bos_count = 1;
      row.record.score = answer.score;
      row.record.output = output_of(task, record, answer, row.record.tokens_cut, limit);
      row.record.layers = "[]";
      // 30 layers x 3 KV heads x 64 numbers x 4 bytes, keys and values.
      const std::int64_t kept = std::min(budget.value_or(limit), row.record.tokens_in);
      row.record.kv_bytes = kept * 30 * 3 * 64 * 4 * 2;
      row.record.seconds = 1;
      rows.push_back(std::move(row));
    }
  };
  for (const AnswerTaskSpec& task : grid.tasks) {
    if (grid.with_full) add(task, "full", std::nullopt);
    for (const std::string& policy : grid.policies) {
      for (const std::int64_t budget : grid.budgets) add(task, policy, budget);
    }
  }
  store.add_cells(cells);
  store.add_samples(rows);
  for (const store::CellRecord& cell : cells) {
    store.set_cell_status(cell.key, store::CellStatus::kDone);
  }
}

std::vector<AnswerRecordSpec> plain_records(std::size_t count) {
  std::vector<AnswerRecordSpec> records;
  for (std::size_t i = 0; i < count; ++i) {
    records.push_back({.id = "r" + number(i),
                       .cluster = "document " + number(i / 2),
                       .references = {"Lethe"},
                       .words = std::nullopt});
  }
  return records;
}

AnswerGrid longbench_trial(std::size_t records) {
  AnswerGrid grid;
  grid.policies = {"window:sinks=4", "tova", "l2", "h2o"};
  const auto groups = longbench_groups();
  for (const GroupOfTasks& group : groups) {
    for (const auto& [name, title] : group.tasks) {
      AnswerTaskSpec task{.name = std::string("longbench-") + name,
                          .title = title,
                          .group = group.group,
                          .metric = group.metric,
                          .sanity = std::pair(0.01, 0.9),
                          .max_new = group.max_new,
                          .chat = group.level < 0.4};
      for (std::size_t i = 0; i < records; ++i) {
        const double size = chance(task.name + "words" + std::to_string(i));
        task.records.push_back({.id = sha256_hex(task.name + std::to_string(i)).substr(0, 48),
                                .cluster = task.name + "/" + std::to_string(i),
                                .references = {"Jean Paul Getty", "May 19, 1669", "第三百七十万"},
                                .words = static_cast<std::int64_t>(1200 + 11000 * size),
                                .tokens = static_cast<std::int64_t>(1700 + 15000 * size)});
      }
      grid.tasks.push_back(std::move(task));
    }
  }
  grid.answering = [groups](const AnswerTaskSpec& task, const std::string& policy,
                            std::optional<std::int64_t> budget, std::size_t record) {
    const auto at = std::find_if(groups.begin(), groups.end(), [&](const GroupOfTasks& group) {
      return group.group == task.group;
    });
    return trial_answer(task, at->level, policy, budget, record);
  };
  return grid;
}

AnswerGrid tova_trial(std::size_t records) {
  AnswerGrid grid;
  grid.suite = "tova-tasks";
  grid.benchmark = "TOVA tasks";
  grid.policies = {"truncate", "window:sinks=4", "tova"};
  grid.budgets = {256, 512, 1024};
  AnswerTaskSpec squality{.name = "tova-squality",
                          .title = "SQuALITY",
                          .group = "Summarization",
                          .metric = "scrolls_rouge_geometric_mean",
                          .aggregate = "geometric-mean-of-corpus",
                          .sanity = std::pair(0.02, 0.35),
                          .max_new = 512};
  AnswerTaskSpec qasper{.name = "tova-qasper-longbench",
                        .title = "QASPER, LongBench's records",
                        .group = "Question answering",
                        .metric = "qasper_answer_f1",
                        .sanity = std::pair(0.005, 0.85),
                        .max_new = 128};
  for (std::size_t i = 0; i < records; ++i) {
    squality.records.push_back({.id = "51395/" + std::to_string(i),
                                .cluster = "story " + std::to_string(i / 5),
                                .references = {"A story of a ship.", "A crew finds a planet."},
                                .words = std::nullopt,
                                .tokens = 7000});
    qasper.records.push_back({.id = "paper/" + std::to_string(i),
                              .cluster = "paper " + std::to_string(i),
                              .references = {"BLEU", "unanswerable"},
                              .words = 3000,
                              .tokens = 1500 + 400 * static_cast<std::int64_t>(i)});
  }
  grid.tasks = {squality, qasper};
  grid.answering = [](const AnswerTaskSpec& task, const std::string& policy,
                      std::optional<std::int64_t> budget, std::size_t record) {
    AnswerSpec answer = trial_answer(task, 0.17, policy, budget, record);
    if (task.aggregate != "mean") {
      const double value = *answer.score;
      answer.scores = {{"rouge1", 1.5 * value}, {"rouge2", 0.3 * value}, {"rougeL", 0.9 * value}};
      answer.score = std::cbrt(1.5 * 0.3 * 0.9) * value;
    }
    return answer;
  };
  return grid;
}

}  // namespace lethe::test
