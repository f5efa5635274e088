// SPDX-License-Identifier: Apache-2.0
#include "reports/published.h"

#include <algorithm>
#include <set>

#include "harness/base/names.h"

namespace lethe::reports {
namespace {

std::optional<std::int64_t> optional_integer(ObjectReader& reader, std::string_view name) {
  const json::value* value = reader.find(name);
  if (!value || value->is_null()) return std::nullopt;
  return reader.integer(name);
}

/// "steps 2x, input_size 1024"; the part of speech has a member of its own.
std::string setting_text(const json::value& setting) {
  std::vector<std::string> parts;
  for (const auto& [name, value] : setting.as_object()) {
    if (name == "tag") continue;
    parts.push_back(std::string(name) + " " +
                    (value.is_string() ? std::string(value.as_string()) : json::serialize(value)));
  }
  return join(parts, ", ");
}

/// One of "values" or "unverified"; the latter say why they are.
PublishedValue read_value(const json::value& item, const std::string& where,
                          const PublishedTable& table) {
  ObjectReader entry(item, where, ErrorKind::kData);
  PublishedValue value;
  value.policy = entry.string("policy");
  value.budget = optional_integer(entry, "budget");
  value.length = optional_integer(entry, "length");
  value.value = entry.number("value");
  value.model = entry.string("model", table.model);
  value.metric = entry.string("metric", "");
  value.task = entry.string("task", "");
  value.unit = entry.string("unit", "");
  value.segments = optional_integer(entry, "segments");
  value.train_segments = optional_integer(entry, "train_segments");
  value.bptt = optional_integer(entry, "bptt");
  if (entry.has("std")) value.spread = entry.number("std");
  if (const json::value* setting = entry.find("setting")) {
    ObjectReader reader_of(*setting, entry.where("setting"), ErrorKind::kData);
    value.tag = reader_of.string("tag", "");
    value.setting = setting_text(*setting);
  }
  if (entry.has("reading_error")) value.reading_error = entry.number("reading_error");
  value.caution = entry.string("caution", entry.string("why", ""));
  if (entry.boolean("suspect", false)) value.suspect = entry.string("suspect_reason");
  if (entry.string("certainty", "verified") == "secondary") {
    value.secondary = entry.string("secondary_source");
  }
  return value;
}

}  // namespace

void expect_schema(ObjectReader& reader, const std::string& expected) {
  if (const std::string schema = reader.string("schema"); schema != expected) {
    throw Error(ErrorKind::kData, reader.where("schema") + ": expected \"" + expected +
                                      "\", found \"" + schema + "\"");
  }
}

const PublishedValue* PublishedTable::find(std::string_view policy, std::int64_t budget) const {
  const auto at = std::find_if(values.begin(), values.end(), [&](const PublishedValue& value) {
    return value.policy == policy && value.budget == budget;
  });
  return at == values.end() ? nullptr : &*at;
}

std::vector<std::int64_t> PublishedTable::budgets() const {
  std::set<std::int64_t> found;
  for (const PublishedValue& value : values) {
    if (value.budget) found.insert(*value.budget);
  }
  return {found.begin(), found.end()};
}

std::optional<std::int64_t> PublishedTable::length() const {
  if (values.empty()) return std::nullopt;
  const auto first = values.front().length;
  const bool same = std::all_of(values.begin(), values.end(),
                                [&](const PublishedValue& value) { return value.length == first; });
  return same ? first : std::nullopt;
}

PublishedTable read_published(const std::filesystem::path& path) {
  const json::value file = read_json_file(path, ErrorKind::kData);
  ObjectReader reader(file, path.filename().string(), ErrorKind::kData);
  expect_schema(reader, "lethe-published-1");
  PublishedTable table;
  table.id = reader.string("id");
  table.title = reader.string("title");
  table.model = reader.string("model");
  table.metric = reader.string("metric", "");
  table.unit = reader.string("unit", "");
  ObjectReader source(reader.at("source"), reader.where("source"), ErrorKind::kData);
  table.paper = source.string("paper");
  table.arxiv = source.string("arxiv");
  table.place = source.string("table_or_figure");
  for (const char* member : {"values", "unverified"}) {
    const bool read = std::string_view(member) == "values";
    if (!read && !reader.has(member)) continue;
    auto& list = read ? table.values : table.unverified;
    for (const json::value& item : reader.array(member)) {
      list.push_back(
          read_value(item, reader.where(member) + "[" + std::to_string(list.size()) + "]", table));
    }
  }
  return table;
}

}  // namespace lethe::reports
