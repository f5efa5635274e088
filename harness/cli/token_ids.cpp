// SPDX-License-Identifier: Apache-2.0
#include "harness/cli/token_ids.h"

#include "harness/base/error.h"
#include "harness/base/spec.h"

namespace lethe::cli {

namespace {

std::int64_t check_id(std::int64_t id, const std::string& where, std::size_t index,
                      std::int64_t vocab_size) {
  if (id < 0 || id >= vocab_size) {
    throw Error(ErrorKind::kData,
                where + ": id " + std::to_string(id) + " (number " + std::to_string(index + 1) +
                    ") is outside the vocabulary of " + std::to_string(vocab_size) + " tokens");
  }
  return id;
}

}  // namespace

std::vector<std::int64_t> parse_token_ids(std::string_view text, const std::string& where,
                                          std::int64_t vocab_size) {
  constexpr std::string_view kSeparators = " \t\r\n,[]";
  std::vector<std::int64_t> ids;
  for (std::size_t begin = text.find_first_not_of(kSeparators); begin != std::string_view::npos;) {
    const auto end = std::min(text.find_first_of(kSeparators, begin), text.size());
    const auto word = text.substr(begin, end - begin);
    const auto id = parse_integer(word);
    if (!id) {
      throw Error(ErrorKind::kData, where +
                                        ": expected token ids (integers separated by spaces), "
                                        "found '" +
                                        std::string(word.substr(0, 40)) + "'");
    }
    ids.push_back(check_id(*id, where, ids.size(), vocab_size));
    begin = text.find_first_not_of(kSeparators, end);
  }
  if (ids.empty()) throw Error(ErrorKind::kData, where + ": no token ids, expected at least one");
  return ids;
}

std::vector<std::int64_t> ids_from_json(const json::array& array, const std::string& where,
                                        std::int64_t vocab_size) {
  std::vector<std::int64_t> ids;
  for (const auto& value : array) {
    if (!value.is_int64()) {
      throw Error(ErrorKind::kData,
                  where + ": ids: expected integers, found " + json::serialize(value));
    }
    ids.push_back(check_id(value.as_int64(), where, ids.size(), vocab_size));
  }
  return ids;
}

std::string format_token_ids(const std::vector<std::int64_t>& ids) {
  std::string out;
  for (const auto id : ids) out += (out.empty() ? "" : " ") + std::to_string(id);
  return out;
}

}  // namespace lethe::cli
