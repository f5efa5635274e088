// SPDX-License-Identifier: Apache-2.0
// SentencePiece's way with spaces: a visible mark in their place, and one before a text.
#pragma once

#include <string>
#include <string_view>

#include "harness/base/json.h"

namespace lethe::models {

/// U+2581, what SentencePiece writes for a space.
inline constexpr std::string_view kSpaceMark = "\xe2\x96\x81";

/// "Metaspace" as pre-tokenizer and as decoder of tokenizer.json.
struct Metaspace {
  enum class Scheme { kAlways, kFirst, kNever };
  std::string replacement;
  Scheme scheme = Scheme::kAlways;  ///< before which pieces a mark is put
  bool split = true;                ///< whether every mark begins a word
};

/// Reads the members of both spellings (prepend_scheme; add_prefix_space of older files). Throws
/// Error(kModel) for a replacement that is not one character.
Metaspace read_metaspace(ObjectReader& reader);

}  // namespace lethe::models
