// SPDX-License-Identifier: Apache-2.0
#include "tasks/datasets/record_fields.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <span>
#include <utility>

#include "harness/base/error.h"
#include "harness/base/names.h"
#include "harness/base/spec.h"
#include "harness/base/text.h"
#include "tasks/datasets/qasper_records.h"

namespace lethe::tasks {

namespace {

constexpr std::string_view kEach = "each.";
/// Of a name in braces. Everything else in braces is text.
constexpr std::string_view kNameCharacters =
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-";

[[noreturn]] void refuse(const std::string& where, const std::string& field,
                         const std::string& expected, const std::string& found) {
  throw Error(ErrorKind::kData,
              where + ": " + field + ": expected " + expected + ", found " + found);
}

/// Everything that `path` leads to from `value`, lists walked through.
void walk(const json::value& value, std::span<const std::string> path, const std::string& where,
          const std::string& field, std::vector<const json::value*>& out) {
  if (const auto* list = value.if_array()) {
    for (const auto& item : *list) walk(item, path, where, field, out);
    return;
  }
  if (path.empty()) {
    out.push_back(&value);
    return;
  }
  const auto* object = value.if_object();
  if (!object) {
    refuse(where, field, "an object with \"" + path.front() + "\"",
           std::string(describe_type(value)));
  }
  const auto* member = object->if_contains(path.front());
  if (!member) {
    std::vector<std::string> known;
    for (const auto& entry : *object) known.emplace_back(entry.key());
    throw unknown_name(ErrorKind::kData, where + ": " + field + ": member", path.front(), known);
  }
  walk(*member, path.subspan(1), where, field, out);
}

/// As Python writes it: "93.5", "5.0".
std::string decimal(double value) {
  std::array<char, 32> digits{};
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), value).ptr;
  std::string text(digits.data(), end);
  if (text.find_first_of(".en") == text.npos) text += ".0";
  return text;
}

std::string as_text(const json::value& value, const std::string& where, const std::string& field) {
  if (const auto* text = value.if_string()) return std::string(*text);
  if (value.is_double()) return decimal(value.get_double());
  if (value.is_number()) return json::serialize(value);
  refuse(where, field, "a text", std::string(describe_type(value)));
}

/// A record, and the item of it that a sample is made of.
struct Place {
  const json::value& record;
  const json::value* item;
  const std::string& where;

  std::vector<const json::value*> values(const FieldPath& field) const {
    const bool of_item = field.starts_with(kEach);
    const auto path = split(of_item ? std::string_view(field).substr(kEach.size()) : field, '.');
    std::vector<const json::value*> out;
    walk(of_item ? *item : record, path, where, field, out);
    return out;
  }

  std::vector<std::string> texts(const FieldPath& field) const {
    std::vector<std::string> out;
    for (const auto* value : values(field)) out.push_back(as_text(*value, where, field));
    return out;
  }

  std::string text(const FieldPath& field) const {
    const auto found = texts(field);
    if (found.size() != 1) refuse(where, field, "one text", std::to_string(found.size()));
    return found.front();
  }
};

std::string joined(const JoinedList& list, const Place& place) {
  std::string out;
  for (const auto* value : place.values(list.list)) {
    const auto* object = value->if_object();
    if (!object) {
      refuse(place.where, list.list, "a list of objects", std::string(describe_type(*value)));
    }
    if (!out.empty()) out += list.between;
    out += fill_template(list.item, [&](std::string_view name) -> std::optional<std::string> {
      const auto* member = object->if_contains(name);
      if (!member) refuse(place.where, list.list, "\"" + std::string(name) + "\" in each", "none");
      return as_text(*member, place.where, list.list);
    });
  }
  return out;
}

FieldPath read_path(ObjectReader& reader, std::string_view name, bool has_items) {
  const FieldPath path = reader.string(name);
  if (path.starts_with(kEach) && !has_items) {
    throw Error(ErrorKind::kConfig, reader.where(name) + ": \"" + path +
                                        "\" is of an item, and there is no \"each\" that names a "
                                        "list of them");
  }
  return path;
}

}  // namespace

std::string fill_template(
    std::string_view text,
    const std::function<std::optional<std::string>(std::string_view)>& value_of) {
  std::string out;
  while (true) {
    const auto open = text.find('{');
    const auto close = text.find_first_not_of(kNameCharacters, open + 1);
    if (open == text.npos || close == text.npos) return out.append(text);
    const auto name = text.substr(open + 1, close - open - 1);
    std::optional<std::string> value;
    if (text[close] == '}' && !name.empty()) value = value_of(name);
    out.append(text.substr(0, open));
    if (value) {
      out += *value;
      text.remove_prefix(close + 1);
    } else {
      out += '{';
      text.remove_prefix(open + 1);
    }
  }
}

RecordFields RecordFields::parse(const json::value& value, const std::string& where) {
  ObjectReader reader(value, where, ErrorKind::kConfig);
  RecordFields fields;
  if (reader.has("reader")) {
    if (const auto name = reader.string("reader"); name != "qasper") {
      throw unknown_name(ErrorKind::kConfig, reader.where("reader") + ": value", name,
                         std::vector<std::string>{"qasper"});
    }
    reader.finish();
    fields.reader = qasper_samples;
    fields.names = {"title", "context", "input"};
    return fields;
  }
  if (const auto* each = reader.find("each")) {
    if (each->is_string()) {
      fields.each.emplace_back(each->get_string());
    } else {
      for (const auto& item : reader.array("each")) {
        if (!item.is_string()) {
          throw Error(ErrorKind::kConfig, reader.where("each") +
                                              ": expected names of lists, found " +
                                              std::string(describe_type(item)));
        }
        fields.each.emplace_back(item.get_string());
      }
    }
  }
  const bool items = !fields.each.empty();
  if (reader.has("id")) fields.id = read_path(reader, "id", items);
  fields.references = read_path(reader, "references", items);
  if (reader.has("classes")) fields.classes = read_path(reader, "classes", items);
  if (reader.has("words")) fields.words = read_path(reader, "words", items);
  ObjectReader texts(reader.at("fields"), reader.where("fields"), ErrorKind::kConfig);
  for (const auto& entry : reader.at("fields").as_object()) {
    const std::string name(entry.key());
    if (name.empty() || name.find_first_not_of(kNameCharacters) != name.npos) {
      throw Error(ErrorKind::kConfig, texts.where(name) +
                                          ": expected a name of letters, digits, _ and -, which a "
                                          "prompt can have in braces");
    }
    fields.names.push_back(name);
    if (entry.value().is_string()) {
      fields.texts[name] = read_path(texts, name, items);
      continue;
    }
    ObjectReader list(texts.at(name), texts.where(name), ErrorKind::kConfig);
    fields.joined[name] = {read_path(list, "list", items), list.string("item"),
                           list.string("between", "\n")};
    list.finish();
  }
  if (fields.texts.empty() && fields.joined.empty()) {
    throw Error(ErrorKind::kConfig, reader.where("fields") +
                                        ": expected at least one name for the prompt, such as "
                                        "{\"context\": \"context\"}, found none");
  }
  reader.finish();
  return fields;
}

std::vector<AnswerRecord> RecordFields::samples(const json::value& record, std::size_t number,
                                                const std::string& where) const {
  if (reader) return reader(record, where);
  std::vector<const json::value*> items;
  const Place whole{record, nullptr, where};
  for (const auto& list : each) {
    for (const auto* item : whole.values(list)) items.push_back(item);
  }
  if (each.empty()) {
    items.push_back(nullptr);
  } else if (items.empty()) {
    refuse(where, join(each, ", "), "at least one item", "none");
  }
  std::string document = std::to_string(number);
  const bool id_of_item = id && id->starts_with(kEach);
  if (id && !id_of_item) document = whole.text(*id);
  std::vector<AnswerRecord> out;
  for (std::size_t i = 0; i < items.size(); ++i) {
    const Place place{record, items[i], where};
    AnswerRecord sample;
    sample.cluster = document;
    sample.id = document;
    if (items[i]) sample.id += "/" + (id_of_item ? place.text(*id) : std::to_string(i));
    for (const auto& [name, path] : texts) sample.fields[name] = place.text(path);
    for (const auto& [name, list] : joined) sample.fields[name] = tasks::joined(list, place);
    sample.references = place.texts(references);
    if (sample.references.empty()) refuse(where, references, "at least one reference", "none");
    if (classes) {
      for (const auto* value : place.values(*classes)) {
        if (!value->is_null()) sample.classes.push_back(as_text(*value, where, *classes));
      }
    }
    if (words) {
      const auto text = place.text(*words);
      sample.words = parse_integer(text);
      if (!sample.words) refuse(where, *words, "a whole number", "'" + text + "'");
    }
    out.push_back(std::move(sample));
  }
  return out;
}

}  // namespace lethe::tasks
