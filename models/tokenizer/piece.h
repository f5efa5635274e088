// SPDX-License-Identifier: Apache-2.0
// A part of a text on its way to becoming tokens.
#pragma once

#include <string>

namespace lethe::models {

/// Normalised text between added tokens, later one word of it.
struct Piece {
  std::string text;
  /// Whether it begins with the first character of the whole text ("prepend_scheme": "first").
  bool heads_text = false;
};

}  // namespace lethe::models
