// SPDX-License-Identifier: Apache-2.0
#include "tasks/answer_declaration.h"

#include <algorithm>
#include <array>
#include <utility>

#include "harness/base/error.h"
#include "harness/base/names.h"
#include "harness/base/text.h"
#include "tasks/metrics/metric.h"

namespace lethe::tasks {

namespace {

namespace fs = std::filesystem;

constexpr std::size_t kDeepest = 8;  // of "extends"

template <typename Value, std::size_t n>
Value one_of(const std::array<std::pair<std::string, Value>, n>& known, const std::string& text,
             const std::string& where) {
  std::vector<std::string> names;
  for (const auto& [name, value] : known) {
    if (name == text) return value;
    names.push_back(name);
  }
  throw unknown_name(ErrorKind::kConfig, where + ": value", text, names);
}

const std::array<std::pair<std::string, CutRule>, 2> kCuts{
    {{"middle", CutRule::kMiddle}, {"document-end", CutRule::kDocumentEnd}}};
const std::array<std::pair<std::string, AnswerPart>, 2> kParts{
    {{"whole", AnswerPart::kWhole}, {"first-line", AnswerPart::kFirstLine}}};
const std::array<std::pair<std::string, Aggregate>, 2> kAggregates{
    {{"mean", Aggregate::kMean}, {"geometric-mean-of-corpus", Aggregate::kGeometricMeanOfCorpus}}};

template <typename Value, std::size_t n>
std::string name_of(const std::array<std::pair<std::string, Value>, n>& known, Value value) {
  return std::find_if(known.begin(), known.end(), [&](const auto& e) { return e.second == value; })
      ->first;
}

/// The members of `file` over those of what it extends. A member that is null takes away what was
/// there.
json::object read_members(const fs::path& file, std::vector<fs::path> chain) {
  chain.push_back(file);
  if (std::count(chain.begin(), chain.end(), file) > 1 || chain.size() > kDeepest) {
    std::vector<std::string> names;
    for (const auto& link : chain) names.push_back(link.filename().string());
    throw Error(ErrorKind::kConfig, file.string() +
                                        ": \"extends\" leads around in a circle, or deeper than " +
                                        std::to_string(kDeepest) + ": " + join(names, " -> "));
  }
  const auto value = read_json_file(file, ErrorKind::kConfig);
  ObjectReader reader(value, file.string(), ErrorKind::kConfig);
  json::object members;
  if (reader.has("extends")) {
    members = read_members(file.parent_path() / (reader.string("extends") + ".json"), chain);
  }
  for (const auto& [name, member] : value.as_object()) {
    if (name == "extends") continue;
    if (member.is_null()) {
      members.erase(name);
    } else {
      members[name] = member;
    }
  }
  return members;
}

std::int64_t whole_number(ObjectReader& reader, std::string_view name, std::int64_t least,
                          std::int64_t fallback) {
  const auto value = reader.integer(name, fallback);
  if (value >= least) return value;
  throw Error(ErrorKind::kConfig, reader.where(name) + ": expected at least " +
                                      std::to_string(least) + ", found " + std::to_string(value));
}

void read_prompt(ObjectReader& reader, AnswerDeclaration& task) {
  task.prompt = reader.string("prompt");
  task.document = reader.string("document", "context");
  const auto& known = task.records.names;
  std::vector<std::string> used;
  fill_template(task.prompt, [&](std::string_view name) -> std::optional<std::string> {
    used.emplace_back(name);
    return std::nullopt;
  });
  for (const auto& name : used) {
    if (std::find(known.begin(), known.end(), name) == known.end()) {
      throw unknown_name(ErrorKind::kConfig, reader.where("prompt") + ": field", name, known);
    }
  }
  if (std::count(used.begin(), used.end(), task.document) != 1) {
    throw Error(ErrorKind::kConfig,
                reader.where("prompt") + ": expected {" + task.document +
                    "} once (the document, which may be cut), found it " +
                    std::to_string(std::count(used.begin(), used.end(), task.document)) + " times");
  }
  task.chat = reader.boolean("chat", true);
  task.cut = one_of(kCuts, reader.string("cut", "middle"), reader.where("cut"));
  task.separator = reader.string("separator", "");
  task.reserve_answer = reader.boolean("reserve_answer", false);
  if (task.cut == CutRule::kMiddle && (!task.separator.empty() || task.reserve_answer)) {
    throw Error(ErrorKind::kConfig, reader.where("cut") +
                                        ": \"separator\" and \"reserve_answer\" belong to "
                                        "\"document-end\"; \"middle\" is LongBench's rule, which "
                                        "knows neither");
  }
}

void read_generation(ObjectReader& reader, AnswerDeclaration& task) {
  task.max_new = whole_number(reader, "max_new", 1, 0);
  task.min_new = whole_number(reader, "min_new", 0, 0);
  if (reader.has("stops")) {
    for (const auto& stop : reader.array("stops")) {
      if (!stop.is_string() || stop.get_string().empty()) {
        throw Error(ErrorKind::kConfig, reader.where("stops") +
                                            ": expected texts with something in them, found " +
                                            json::serialize(stop));
      }
      task.stops.emplace_back(stop.get_string());
    }
  }
  task.end_token_of = reader.string("end_token_of", "");
}

void read_scoring(ObjectReader& reader, AnswerDeclaration& task) {
  task.answer = one_of(kParts, reader.string("answer", "whole"), reader.where("answer"));
  for (const auto& entry : reader.array("metrics")) {
    MetricUse use;
    if (entry.is_string()) {
      use.name = std::string(entry.get_string());
    } else {
      ObjectReader metric(entry, reader.where("metrics"), ErrorKind::kConfig);
      use.name = metric.string("name");
      use.scale = metric.number("scale", 1);
      metric.finish();
      if (!(use.scale > 0)) {
        throw Error(ErrorKind::kConfig, metric.where("scale") + ": expected a number above 0");
      }
    }
    try {
      find_metric(use.name);
    } catch (Error& error) {
      error.add_context(reader.where("metrics"));
      throw;
    }
    for (const auto& member : find_metric(use.name).reads) {
      const bool known = member == "prediction" || member == "references" || member == "task" ||
                         (member == "all_classes" && (task.records.classes || task.records.reader));
      if (known) continue;
      throw Error(ErrorKind::kConfig,
                  reader.where("metrics") + ": " + use.name + " reads \"" + member + "\", and " +
                      (member == "all_classes" ? "\"records\" has no \"classes\""
                                               : "no sample of such a task has it"));
    }
    task.metrics.push_back(std::move(use));
  }
  if (task.metrics.empty()) {
    throw Error(ErrorKind::kConfig,
                reader.where("metrics") + ": expected at least one; known: ./lethe list metrics");
  }
  task.aggregate =
      one_of(kAggregates, reader.string("aggregate", "mean"), reader.where("aggregate"));
  if (task.aggregate == Aggregate::kGeometricMeanOfCorpus &&
      task.metrics.front().name != "scrolls_rouge_geometric_mean") {
    throw Error(ErrorKind::kConfig,
                reader.where("aggregate") +
                    ": geometric-mean-of-corpus needs rouge1, rouge2 and rougeL "
                    "of scrolls_rouge_geometric_mean as the first metric");
  }
  if (const auto* band = reader.find("sanity")) {
    ObjectReader limits(*band, reader.where("sanity"), ErrorKind::kConfig);
    task.sanity = SanityBand{limits.number("least"), limits.number("most")};
    limits.finish();
    if (!(task.sanity->least < task.sanity->most)) {
      throw Error(ErrorKind::kConfig, reader.where("sanity") + ": expected least < most");
    }
  }
}

}  // namespace

std::string to_string(CutRule rule) {
  return name_of(kCuts, rule);
}

std::string to_string(AnswerPart part) {
  return name_of(kParts, part);
}

std::string to_string(Aggregate aggregate) {
  return name_of(kAggregates, aggregate);
}

AnswerDeclaration read_answer_declaration(const fs::path& file) {
  const json::value members(read_members(file, {}));
  ObjectReader reader(members, file.string(), ErrorKind::kConfig);
  AnswerDeclaration task;
  task.name = reader.string("name");
  if (task.name != file.stem().string()) {
    throw Error(ErrorKind::kConfig, reader.where("name") + ": expected the name of the file, '" +
                                        file.stem().string() + "', found '" + task.name + "'");
  }
  task.title = reader.string("title");
  task.source = reader.string("source");
  task.benchmark = reader.string("benchmark", "");
  task.group = reader.string("group", "");
  task.version = whole_number(reader, "version", 1, 1);
  task.dataset = reader.string("dataset", "");
  task.file = reader.string("file");
  if (reader.has("sample")) task.sample = reader.string("sample");
  task.records = RecordFields::parse(reader.at("records"), reader.where("records"));
  read_prompt(reader, task);
  read_generation(reader, task);
  read_scoring(reader, task);
  reader.finish();
  json::object content = members.as_object();
  for (const char* other :
       {"title", "source", "benchmark", "group", "dataset", "file", "sample", "sanity"}) {
    content.erase(other);
  }
  task.content = canonical_json(content);
  return task;
}

std::vector<fs::path> declared_tasks(const fs::path& root) {
  std::vector<fs::path> files;
  std::error_code ec;
  for (fs::directory_iterator it(root / "data" / "tasks", ec), end; !ec && it != end;
       it.increment(ec)) {
    const auto& file = it->path();
    if (file.extension() == ".json" && !file.filename().string().starts_with("_")) {
      files.push_back(file);
    }
  }
  std::sort(files.begin(), files.end());
  return files;
}

}  // namespace lethe::tasks
