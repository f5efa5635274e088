// SPDX-License-Identifier: Apache-2.0
#include "tasks/window_options.h"

#include <algorithm>
#include <array>

#include "harness/base/error.h"
#include "harness/base/names.h"

namespace lethe::tasks {

namespace {

bool is_all(const json::value& value) {
  return value.is_string() && value.as_string() == "all";
}

BosRule parse_bos(ObjectReader& reader) {
  const std::string text = reader.string("bos", "auto");
  std::vector<std::string> known;
  for (const auto rule : {BosRule::kAuto, BosRule::kNever, BosRule::kWindow}) {
    known.push_back(to_string(rule));
    if (text == known.back()) return rule;
  }
  throw unknown_name(ErrorKind::kConfig, "bos rule", text, known).add_context(reader.where("bos"));
}

}  // namespace

std::string to_string(BosRule rule) {
  switch (rule) {
    case BosRule::kAuto:
      return "auto";
    case BosRule::kNever:
      return "never";
    case BosRule::kWindow:
      break;
  }
  return "window";
}

WindowOptions WindowOptions::read(ObjectReader& reader) {
  const auto integer_from = [&](const char* name, std::int64_t low) {
    return at_least(reader.integer(name), low, reader.where(name));
  };
  WindowOptions options;
  if (const auto* windows = reader.find("windows"); windows && !is_all(*windows)) {
    options.windows = integer_from("windows", 1);
  }
  if (reader.find("stride")) options.stride = integer_from("stride", 1);
  if (reader.find("start")) options.start = integer_from("start", 0);
  if (reader.find("prompt")) options.prompt = integer_from("prompt", 1);
  options.bos = parse_bos(reader);
  if (const auto tail = reader.string("tail", "drop"); tail != "drop") {
    throw Error(ErrorKind::kConfig,
                reader.where("tail") + ": expected \"drop\", found \"" + tail + "\"");
  }
  return options;
}

std::int64_t WindowOptions::text_tokens(std::int64_t length) const {
  return bos == BosRule::kWindow ? length - 1 : length;
}

std::int64_t WindowOptions::fitting(std::int64_t stream_tokens, std::int64_t length) const {
  const std::int64_t last = stream_tokens - text_tokens(length);
  return start > last ? 0 : (last - start) / stride_at(length) + 1;
}

std::int64_t at_least(std::int64_t value, std::int64_t low, const std::string& where) {
  if (value < low) {
    throw Error(ErrorKind::kConfig, where + ": expected an integer of at least " +
                                        std::to_string(low) + ", found " + std::to_string(value));
  }
  return value;
}

std::vector<std::string> read_books(ObjectReader& reader) {
  const auto* value = reader.find("books");
  if (!value || is_all(*value)) return {};
  const std::string where = reader.where("books");
  if (!value->is_array() || value->as_array().empty()) {
    throw Error(ErrorKind::kConfig, where +
                                        ": expected \"all\" or a list of ids such as "
                                        "[\"860\", \"10146\"], found " +
                                        json::serialize(*value));
  }
  std::vector<std::string> ids;
  for (const auto& entry : value->as_array()) {
    if (entry.is_string()) {
      ids.emplace_back(entry.as_string());
    } else if (entry.is_int64()) {
      ids.push_back(std::to_string(entry.as_int64()));
    } else {
      throw Error(ErrorKind::kConfig, where + ": expected an id, found " + json::serialize(entry));
    }
    if (std::count(ids.begin(), ids.end(), ids.back()) > 1) {
      throw Error(ErrorKind::kConfig, where + ": " + ids.back() + " is listed twice");
    }
  }
  return ids;
}

std::filesystem::path look_for(const std::filesystem::path& path,
                               const std::filesystem::path& root) {
  return path.is_relative() && !std::filesystem::exists(path) ? root / path : path;
}

}  // namespace lethe::tasks
