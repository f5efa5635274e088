// SPDX-License-Identifier: Apache-2.0
#include "harness/base/json.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <utility>

#include "harness/base/names.h"
#include "harness/base/text.h"

namespace lethe {
namespace {

void write_double(double value, std::string& out) {
  LETHE_ASSERT(std::isfinite(value), "JSON has no NaN or infinity");
  char text[64];
  const auto end = std::to_chars(text, text + sizeof text, value).ptr;
  const std::string_view shortest(text, static_cast<std::size_t>(end - text));
  out += shortest;
  if (shortest.find_first_of(".en") == std::string_view::npos) out += ".0";
}

void write_canonical(const json::value& value, std::string& out) {
  switch (value.kind()) {
    case json::kind::object: {
      std::vector<const json::key_value_pair*> members;
      for (const auto& member : value.get_object()) members.push_back(&member);
      std::sort(members.begin(), members.end(),
                [](const auto* a, const auto* b) { return a->key() < b->key(); });
      out += '{';
      for (std::size_t i = 0; i < members.size(); ++i) {
        if (i) out += ',';
        out += json::serialize(json::string(members[i]->key()));
        out += ':';
        write_canonical(members[i]->value(), out);
      }
      out += '}';
      break;
    }
    case json::kind::array: {
      out += '[';
      bool first = true;
      for (const auto& item : value.get_array()) {
        if (!std::exchange(first, false)) out += ',';
        write_canonical(item, out);
      }
      out += ']';
      break;
    }
    case json::kind::double_:
      write_double(value.get_double(), out);
      break;
    default:
      out += json::serialize(value);
  }
}

}  // namespace

std::string canonical_json(const json::value& value) {
  std::string out;
  write_canonical(value, out);
  return out;
}

json::value parse_json(std::string_view text, std::string_view where, ErrorKind kind) {
  json::stream_parser parser;
  json::error_code ec;
  const std::size_t used = parser.write_some(text.data(), text.size(), ec);
  std::size_t stop = used;
  if (!ec && used == text.size()) parser.finish(ec);
  if (!ec && used < text.size()) {
    stop = text.find_first_not_of(" \t\r\n", used);
    if (stop == std::string_view::npos) {
      parser.finish(ec);
    } else {
      ec = json::make_error_code(json::error::extra_data);
    }
  }
  if (ec) {
    const std::string_view before = text.substr(0, std::min(stop, text.size()));
    const auto line = 1 + std::count(before.begin(), before.end(), '\n');
    const auto last_newline = before.rfind('\n');
    const auto column =
        before.size() - (last_newline == std::string_view::npos ? 0 : last_newline + 1) + 1;
    throw Error(kind, std::string(where) + ":" + std::to_string(line) + ":" +
                          std::to_string(column) + ": not valid JSON: " + ec.message());
  }
  return parser.release();
}

json::value read_json_file(const std::filesystem::path& path, ErrorKind kind) {
  return parse_json(read_file(path, kind), path.string(), kind);
}

std::string_view describe_type(const json::value& value) {
  switch (value.kind()) {
    case json::kind::null:
      return "null";
    case json::kind::bool_:
      return "a boolean";
    case json::kind::int64:
    case json::kind::uint64:
      return "an integer";
    case json::kind::double_:
      return "a number";
    case json::kind::string:
      return "a string";
    case json::kind::array:
      return "an array";
    case json::kind::object:
      return "an object";
  }
  return "a value";
}

ObjectReader::ObjectReader(const json::value& value, std::string where, ErrorKind kind)
    : object_(value.is_object() ? value.get_object()
                                : throw Error(kind, where + ": expected an object, found " +
                                                        std::string(describe_type(value)))),
      where_(std::move(where)),
      kind_(kind) {}

std::string ObjectReader::where(std::string_view name) const {
  return where_ + ": " + std::string(name);
}

void ObjectReader::wrong_type(std::string_view name, std::string_view expected,
                              const json::value& found) const {
  throw Error(kind_, where(name) + ": expected " + std::string(expected) + ", found " +
                         std::string(describe_type(found)));
}

bool ObjectReader::has(std::string_view name) const {
  return object_.contains(name);
}

const json::value* ObjectReader::find(std::string_view name) {
  known_.emplace_back(name);
  return object_.if_contains(name);
}

const json::value& ObjectReader::at(std::string_view name) {
  if (const auto* value = find(name)) return *value;
  throw Error(kind_, where_ + ": member '" + std::string(name) + "' is missing");
}

std::string ObjectReader::string(std::string_view name) {
  const auto& value = at(name);
  if (!value.is_string()) wrong_type(name, "a string", value);
  return std::string(value.get_string());
}

std::string ObjectReader::string(std::string_view name, std::string_view fallback) {
  return has(name) ? string(name) : (find(name), std::string(fallback));
}

std::int64_t ObjectReader::integer(std::string_view name) {
  const auto& value = at(name);
  if (value.is_int64()) return value.get_int64();
  wrong_type(name, "an integer", value);
}

std::int64_t ObjectReader::integer(std::string_view name, std::int64_t fallback) {
  return has(name) ? integer(name) : (find(name), fallback);
}

double ObjectReader::number(std::string_view name) {
  const auto& value = at(name);
  if (!value.is_number()) wrong_type(name, "a number", value);
  return value.to_number<double>();
}

double ObjectReader::number(std::string_view name, double fallback) {
  return has(name) ? number(name) : (find(name), fallback);
}

bool ObjectReader::boolean(std::string_view name, bool fallback) {
  const auto* value = find(name);
  if (!value) return fallback;
  if (!value->is_bool()) wrong_type(name, "true or false", *value);
  return value->get_bool();
}

const json::array& ObjectReader::array(std::string_view name) {
  const auto& value = at(name);
  if (!value.is_array()) wrong_type(name, "an array", value);
  return value.get_array();
}

void ObjectReader::finish() const {
  for (const auto& member : object_) {
    if (std::find(known_.begin(), known_.end(), member.key()) == known_.end()) {
      throw unknown_name(kind_, where_ + ": member", std::string(member.key()), known_);
    }
  }
}

}  // namespace lethe
