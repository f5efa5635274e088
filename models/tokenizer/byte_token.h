// SPDX-License-Identifier: Apache-2.0
// "<0x0A>": the tokens that stand for single bytes in SentencePiece vocabularies.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace lethe::models {

/// The byte that a text of the form <0xHH> names; nothing for other texts.
std::optional<std::uint8_t> byte_of_token(std::string_view token);

/// "<0xHH>" in upper case.
std::string byte_token(unsigned char byte);

}  // namespace lethe::models
