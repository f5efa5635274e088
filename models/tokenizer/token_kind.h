// SPDX-License-Identifier: Apache-2.0
// What a token is.
#pragma once

#include <cstdint>

namespace lethe::models {

/// What a token is, as numbered by GGUF (tokenizer.ggml.token_type).
enum class TokenKind : std::uint8_t {
  kNormal = 1,
  kUnknown = 2,
  kControl = 3,
  kUserDefined = 4,
  kUnused = 5,
  kByte = 6,
};

/// Whether text becomes the token only where special tokens are parsed.
constexpr bool is_special(TokenKind kind) {
  return kind == TokenKind::kControl || kind == TokenKind::kUnknown;
}

}  // namespace lethe::models
