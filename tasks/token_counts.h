// SPDX-License-Identifier: Apache-2.0
// How many tokens a text has, remembered between runs: listing the samples of a grid must not
// tokenise whole books again and again.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

namespace lethe::tasks {

/// Number of tokens of the text `text_sha256` under the tokenizer `tokenizer_sha256`; `count` is
/// called when it is not yet known. Kept in the user's cache folder; a cache that cannot be read or
/// written is ignored.
std::int64_t remembered_token_count(const std::string& text_sha256,
                                    const std::string& tokenizer_sha256,
                                    const std::function<std::int64_t()>& count);

}  // namespace lethe::tasks
