// SPDX-License-Identifier: Apache-2.0
// Token ids as text and JSON.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "harness/base/json.h"

namespace lethe::cli {

/// Ids separated by white space or commas, or a JSON array of them. Throws Error(kData) that names
/// `where`: anything that is no integer, ids outside [0, vocab_size), no id at all.
std::vector<std::int64_t> parse_token_ids(std::string_view text, const std::string& where,
                                          std::int64_t vocab_size);

/// Ids of a JSON array, under the same rules except that it may be empty.
std::vector<std::int64_t> ids_from_json(const json::array& array, const std::string& where,
                                        std::int64_t vocab_size);

/// "12 345 6".
std::string format_token_ids(const std::vector<std::int64_t>& ids);

}  // namespace lethe::cli
