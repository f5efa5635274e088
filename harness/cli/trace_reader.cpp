// SPDX-License-Identifier: Apache-2.0
#include "harness/cli/trace_reader.h"

#include "harness/base/error.h"

namespace lethe::cli {

std::optional<std::int64_t> Trace::budget() const {
  const json::value* found = header.if_contains("budget");
  if (found == nullptr || !found->is_int64()) return std::nullopt;
  return found->as_int64();
}

Trace read_trace(std::istream& lines, const std::string& where) {
  Trace trace;
  std::int64_t tokens = 0, number = 0;
  bool ended = false;
  const auto place = [&](ObjectReader& reader) -> tasks::TokenLives& {
    const auto layer = static_cast<int>(reader.integer("layer"));
    const int head = reader.at("head").is_null() ? -1 : static_cast<int>(reader.integer("head"));
    return trace.places.try_emplace({layer, head}, tokens).first->second;
  };
  for (std::string line; std::getline(lines, line);) {
    const std::string here = where + ": line " + std::to_string(++number);
    const json::value value = parse_json(line, here, ErrorKind::kData);
    ObjectReader reader(value, here, ErrorKind::kData);
    const std::string type = reader.string("type");
    if (type == "header") {
      trace.header = value.as_object();
      tokens = reader.integer("tokens");
    } else if (tokens == 0) {
      throw Error(ErrorKind::kData,
                  here + ": expected the header of a trace first, found '" + type + "'");
    } else if (type == "token") {
      trace.ids.push_back(reader.integer("id"));
      const bool known = !reader.at("nll").is_null();
      trace.nll.push_back(known ? std::optional(reader.number("nll")) : std::nullopt);
    } else if (type == "evict") {
      try {
        place(reader).left(reader.integer("i"), reader.integer("position"));
      } catch (Error& error) {
        throw error.add_context(here);
      }
    } else if (type == "kept") {
      place(reader);
    } else if (type == "summary") {
      ended = true;
    } else {
      throw Error(ErrorKind::kData,
                  here + ": expected a line of a trace, found type '" + type + "'");
    }
  }
  if (!ended || static_cast<std::int64_t>(trace.ids.size()) != tokens) {
    throw Error(ErrorKind::kData, where + ": expected a whole trace with " +
                                      std::to_string(tokens) + " tokens and a summary, found " +
                                      std::to_string(trace.ids.size()) +
                                      " tokens; was `lethe trace` stopped?");
  }
  return trace;
}

}  // namespace lethe::cli
