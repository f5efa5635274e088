// SPDX-License-Identifier: Apache-2.0
// Text of tokens as they come: whole characters only, and an end at the first stop string.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "models/tokenizer/tokenizer.h"

namespace lethe::models {

class TextStream {
 public:
  /// `stops`: texts at whose first occurrence, wherever tokens end, the stream is over. `tokenizer`
  /// must outlive the stream.
  TextStream(const Tokenizer& tokenizer, std::vector<std::string> stops, bool skip_special);

  /// Text that is certain after this token: a character of which bytes are missing, and what may be
  /// the beginning of a stop string, are held back.
  std::string push(std::int64_t id);
  /// What was held back, where no stop string came.
  std::string finish();
  /// A stop string has come; it and what follows are no part of the text.
  bool stopped() const { return stopped_; }

 private:
  std::size_t held_back() const;

  const Tokenizer& tokenizer_;
  std::vector<std::string> stops_;
  bool skip_special_;
  std::vector<std::int64_t>
      window_;             ///< the newest tokens: how one reads may depend on those before
  std::size_t known_ = 0;  ///< bytes of the window's text that have been taken
  std::string pending_;
  bool stopped_ = false;
};

/// Length of the last characters' bytes that are not yet a whole UTF-8 character: 0 to 3.
std::size_t incomplete_utf8(std::string_view bytes);

}  // namespace lethe::models
