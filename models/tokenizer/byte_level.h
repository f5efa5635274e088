// SPDX-License-Identifier: Apache-2.0
// The printable alphabet in which byte-level BPE writes its vocabulary: one character per byte.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace lethe::models {

/// Bytes of a token written in GPT-2's alphabet (bytes_to_unicode of the GPT-2 release), or nothing
/// when `text` holds a character that stands for no byte.
std::optional<std::string> byte_level_decode(std::string_view text);

/// The UTF-8 text that stands for `byte` in GPT-2's alphabet.
std::string byte_level_encode(unsigned char byte);

/// All bytes of `text` in that alphabet.
std::string byte_level_encode(std::string_view text);

}  // namespace lethe::models
