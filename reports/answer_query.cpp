// SPDX-License-Identifier: Apache-2.0
#include "reports/answer_query.h"

#include <algorithm>
#include <array>
#include <tuple>

#include "harness/base/error.h"
#include "harness/base/json.h"
#include "harness/base/names.h"

namespace lethe::reports {
namespace {

constexpr std::array<const char*, 3> kRougeParts{"rouge1", "rouge2", "rougeL"};

ScoreAggregate parse_aggregate(const std::string& text, const std::string& where) {
  if (text == "mean") return ScoreAggregate::kMean;
  if (text == "geometric-mean-of-corpus") return ScoreAggregate::kGeometricMeanOfCorpus;
  static const std::array<std::string, 2> known{"mean", "geometric-mean-of-corpus"};
  throw unknown_name(ErrorKind::kStore, "aggregate", text, known).add_context(where);
}

/// The task of a cell; nothing where it is none of questions and answers.
std::optional<AnswerTaskInfo> task_of(const store::CellRecord& record, const json::value& inputs) {
  const std::string where = "cell " + record.key.substr(0, 12) + "…: inputs";
  ObjectReader all(inputs, where, ErrorKind::kStore);
  const json::value* task = all.find("task");
  const json::object* object = task ? task->if_object() : nullptr;
  const json::value* identity = object ? object->if_contains("identity") : nullptr;
  if (!identity || !identity->is_object()) return std::nullopt;
  ObjectReader reader(*identity, all.where("task.identity"), ErrorKind::kStore);
  const json::value* kind = reader.find("kind");
  if (!kind || *kind != "answers") return std::nullopt;
  AnswerTaskInfo info;
  info.name = record.task;
  info.title = reader.string("title");
  info.benchmark = reader.string("benchmark", "");
  info.group = reader.string("group", "");
  const json::array& metrics = reader.array("metrics");
  if (metrics.empty()) {
    throw Error(ErrorKind::kStore, reader.where("metrics") + ": expected a metric, found none");
  }
  info.metric =
      ObjectReader(metrics[0], reader.where("metrics[0]"), ErrorKind::kStore).string("name");
  info.aggregate = parse_aggregate(reader.string("aggregate"), reader.where("aggregate"));
  if (const json::value* band = reader.find("sanity"); band && !band->is_null()) {
    ObjectReader ends(*band, reader.where("sanity"), ErrorKind::kStore);
    info.band = Interval{ends.number("least"), ends.number("most")};
  }
  info.truncation = reader.string("truncation");
  info.max_new = reader.integer("max_new");
  info.chat = reader.boolean("chat", false);
  info.sample = reader.boolean("sample", false);
  info.identity = canonical_json(*identity);
  // Tasks of one benchmark may differ in whether they use it; versions of one task may not.
  if (const json::value* chat = all.find("chat_template_sha256")) {
    info.identity += canonical_json(*chat);
  }
  return info;
}

Settings settings_of(const store::CellRecord& record, const json::value& inputs) {
  json::object rest = inputs.as_object();
  for (const char* axis : {"policy", "budget", "schedule", "positions", "plugin_sha256",
                           "policy_content_sha256", "chat_template_sha256", "task", "samples"}) {
    rest.erase(axis);
  }
  return {.task = "",
          .model = record.model,
          .length = record.length,
          .schedule = record.schedule,
          .positions = record.positions,
          .dtype = record.dtype,
          .kv_dtype = record.kv_dtype,
          .seed = record.seed,
          .variant = canonical_json(rest)};
}

/// Hashes of the plug-in that the cell's policy comes from and of the files it names; "" for a
/// built-in one that names none.
std::string origin_of(const json::value& inputs) {
  std::string origin;
  for (const char* member : {"plugin_sha256", "policy_content_sha256"}) {
    const json::value* hash = inputs.as_object().if_contains(member);
    if (hash && hash->is_string()) origin += hash->as_string();
  }
  return origin;
}

AnswerSample sample_of(const std::vector<json::value>& row, const AnswerTaskInfo& task) {
  const auto text = [&](std::size_t i) { return std::string(row[i].as_string()); };
  const std::string where = "sample " + text(0) + " of task " + task.name + ": output";
  if (!row[7].is_string()) {
    throw Error(ErrorKind::kStore, where +
                                       ": expected JSON as such a task writes it "
                                       "(docs/store-schema.md), found another text");
  }
  AnswerSample sample{.id = text(0),
                      .hash = text(1),
                      .cluster = text(2),
                      .score = {},
                      .parts = {},
                      .unbounded = {},
                      .words = {},
                      .tokens_in = row[4].as_int64(),
                      .tokens_cut = row[5].as_int64(),
                      .kv_bytes = row[6].as_int64(),
                      .stop = {}};
  const json::value output = parse_json(text(7), where, ErrorKind::kStore);
  ObjectReader reader(output, where, ErrorKind::kStore);
  sample.stop = reader.string("stop");
  if (const json::value* words = reader.find("words"); words && !words->is_null()) {
    sample.words = reader.integer("words");
  }
  if (row[3].is_double()) sample.score = row[3].as_double();
  ObjectReader scores(reader.at("scores"), reader.where("scores"), ErrorKind::kStore);
  if (scores.has(task.metric + "_unbounded")) {
    sample.unbounded = scores.number(task.metric + "_unbounded");
  }
  if (task.aggregate == ScoreAggregate::kGeometricMeanOfCorpus && sample.score) {
    for (const char* part : kRougeParts) sample.parts.push_back(scores.number(part));
  }
  return sample;
}

std::vector<AnswerSample> samples_of(const store::RunStore& store, const std::string& key,
                                     const AnswerTaskInfo& task) {
  // Without the texts, which may be megabytes.
  const std::array<json::value, 1> parameters{json::value(key)};
  const auto result = store.query(
      "SELECT sample_id, sample_hash, cluster, score, tokens_in, tokens_cut, kv_bytes,\n"
      "       CASE WHEN json_valid(output) THEN json_remove(output, '$.text', '$.answer',\n"
      "            '$.references', '$.classes') END\n"
      "FROM samples WHERE cell_key = ?1 ORDER BY sample_id",
      parameters);
  std::vector<AnswerSample> samples;
  samples.reserve(result.rows.size());
  for (const auto& row : result.rows) samples.push_back(sample_of(row, task));
  return samples;
}

/// A cell as read, before it has its place.
struct Read {
  Settings settings;
  AnswerTaskInfo task;
  AnswerColumn column;
  AnswerCell cell;
};

std::vector<Read> read_cells(const store::RunStore& store, const Selection& selection) {
  std::vector<Read> cells;
  for (const store::StoredCell& stored : selected_cells(store, selection)) {
    const store::CellRecord& record = stored.record;
    const json::value inputs = parse_json(
        record.inputs, "cell " + record.key.substr(0, 12) + "…: inputs", ErrorKind::kStore);
    auto task = task_of(record, inputs);
    if (!task) continue;
    AnswerCell cell{.key = record.key,
                    .status = stored.status,
                    .reason = stored.reason,
                    .wanted = record.n_samples,
                    .samples = samples_of(store, record.key, *task)};
    cells.push_back({settings_of(record, inputs),
                     std::move(*task),
                     {record.policy, record.budget, origin_of(inputs)},
                     std::move(cell)});
  }
  return cells;
}

bool same_but_schedule(Settings a, const Settings& b) {
  a.schedule = b.schedule;
  a.positions = b.positions;
  return a == b;
}

AnswerPanel& panel_for(std::vector<AnswerPanel>& panels, const Settings& settings,
                       const std::string& benchmark) {
  const auto at = std::find_if(panels.begin(), panels.end(), [&](const AnswerPanel& panel) {
    return panel.benchmark == benchmark && panel.settings == settings;
  });
  if (at != panels.end()) return *at;
  panels.push_back(
      {.settings = settings, .benchmark = benchmark, .tasks = {}, .columns = {}, .cells = {}});
  return panels.back();
}

template <typename T, typename Same>
std::size_t index_of(std::vector<T>& list, const T& item, Same same) {
  const auto at = std::find_if(list.begin(), list.end(), [&](const T& x) { return same(x, item); });
  if (at != list.end()) return static_cast<std::size_t>(at - list.begin());
  list.push_back(item);
  return list.size() - 1;
}

void place(AnswerPanel& panel, const Read& read) {
  AnswerCell cell = read.cell;
  cell.task = index_of(panel.tasks, read.task, [](const auto& a, const auto& b) {
    return a.name == b.name && a.identity == b.identity;
  });
  cell.column =
      index_of(panel.columns, read.column, [](const auto& a, const auto& b) { return a == b; });
  panel.cells.push_back(std::move(cell));
}

/// Indices of `items` in the order of `before`, and the place of each old index.
template <typename T, typename Before>
std::vector<std::size_t> sort_items(std::vector<T>& items, Before before) {
  std::vector<std::size_t> order(items.size());
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return before(items[a], items[b]); });
  std::vector<T> sorted;
  std::vector<std::size_t> place_of(items.size());
  for (std::size_t i = 0; i < order.size(); ++i) {
    sorted.push_back(items[order[i]]);
    place_of[order[i]] = i;
  }
  items = std::move(sorted);
  return place_of;
}

/// Leaves the hash of a plug-in only where it tells columns apart, and of it the first digits.
void shorten_builds(std::vector<AnswerColumn>& columns) {
  const std::vector<AnswerColumn> whole = columns;
  for (AnswerColumn& column : columns) {
    const bool several = std::any_of(whole.begin(), whole.end(), [&](const AnswerColumn& other) {
      return other.policy == column.policy && other.build != column.build;
    });
    column.build = several ? column.build.substr(0, 8) : "";
  }
}

/// Groups and policies in the order in which they first come, the full cache first.
void put_in_order(AnswerPanel& panel) {
  std::vector<std::string> groups;
  std::vector<std::string> policies{std::string(kFullPolicy)};
  const auto same = [](const std::string& a, const std::string& b) { return a == b; };
  for (const auto& task : panel.tasks) index_of(groups, task.group, same);
  // Policies that take no budget stand beside the full cache.
  for (const auto& column : panel.columns) {
    if (!column.budget) index_of(policies, column.policy, same);
  }
  for (const auto& column : panel.columns) index_of(policies, column.policy, same);
  const auto tasks = sort_items(panel.tasks, [&](const auto& a, const auto& b) {
    return index_of(groups, a.group, same) < index_of(groups, b.group, same);
  });
  const auto columns = sort_items(panel.columns, [&](const auto& a, const auto& b) {
    return std::tuple(index_of(policies, a.policy, same), a.build, a.budget) <
           std::tuple(index_of(policies, b.policy, same), b.build, b.budget);
  });
  for (AnswerCell& cell : panel.cells) {
    cell.task = tasks[cell.task];
    cell.column = columns[cell.column];
  }
  shorten_builds(panel.columns);
}

}  // namespace

std::vector<AnswerPanel> read_answer_panels(const store::RunStore& store,
                                            const Selection& selection) {
  const std::vector<Read> cells = read_cells(store, selection);
  std::vector<AnswerPanel> panels;
  for (const Read& read : cells) {
    if (read.column.budget) place(panel_for(panels, read.settings, read.task.benchmark), read);
  }
  const auto same_place = [](const Read& a, const Read& b) {
    return a.column == b.column && a.task.name == b.task.name && a.task.identity == b.task.identity;
  };
  const std::size_t with_budgets = panels.size();
  for (const Read& read : cells) {
    if (read.column.budget) continue;
    bool placed = false;
    for (std::size_t i = 0; i < with_budgets; ++i) {
      AnswerPanel& panel = panels[i];
      if (panel.benchmark != read.task.benchmark) continue;
      if (panel.settings != read.settings) {
        // The panel's own cell goes before a borrowed one, and the first borrowed one stays.
        const bool other = std::any_of(cells.begin(), cells.end(), [&](const Read& another) {
          return same_place(another, read) &&
                 (another.settings == panel.settings ||
                  (&another < &read && same_but_schedule(another.settings, panel.settings)));
        });
        if (other || !same_but_schedule(read.settings, panel.settings)) continue;
      }
      place(panel, read);
      placed = true;
    }
    if (!placed) place(panel_for(panels, read.settings, read.task.benchmark), read);
  }
  for (AnswerPanel& panel : panels) put_in_order(panel);
  return panels;
}

std::vector<AnswerText> read_answer_texts(const store::RunStore& store, const std::string& cell_key,
                                          std::optional<std::size_t> limit) {
  // SQLite takes -1 for no limit.
  const std::array<json::value, 2> parameters{
      json::value(cell_key), json::value(limit ? static_cast<std::int64_t>(*limit) : -1)};
  const auto result = store.query(
      "SELECT sample_id, output, score, tokens_in, tokens_cut, bos_count\n"
      "FROM samples WHERE cell_key = ?1 ORDER BY sample_id LIMIT ?2",
      parameters);
  std::vector<AnswerText> answers;
  for (const auto& row : result.rows) {
    AnswerText answer;
    answer.sample_id = std::string(row[0].as_string());
    const std::string where = "sample " + answer.sample_id + ": output";
    const json::value output = parse_json(row[1].as_string(), where, ErrorKind::kStore);
    ObjectReader reader(output, where, ErrorKind::kStore);
    answer.text = reader.string("text");
    answer.answer = reader.string("answer");
    for (const json::value& reference : reader.array("references")) {
      if (!reference.is_string()) {
        throw Error(ErrorKind::kStore, reader.where("references") + ": expected texts, found " +
                                           std::string(describe_type(reference)));
      }
      answer.references.emplace_back(reference.as_string());
    }
    answer.stop = reader.string("stop");
    answer.prompt_sha256 = reader.string("prompt_sha256");
    answer.raises = reader.string("raises", "");
    if (const json::value* cut = reader.find("cut"); cut && !cut->is_null()) {
      answer.cut_from = ObjectReader(*cut, reader.where("cut"), ErrorKind::kStore).integer("from");
    }
    if (const json::value* words = reader.find("words"); words && !words->is_null()) {
      answer.words = reader.integer("words");
    }
    if (row[2].is_double()) answer.score = row[2].as_double();
    answer.tokens_in = row[3].as_int64();
    answer.tokens_cut = row[4].as_int64();
    answer.bos_count = row[5].as_int64();
    answers.push_back(std::move(answer));
  }
  return answers;
}

}  // namespace lethe::reports
