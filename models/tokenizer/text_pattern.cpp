// SPDX-License-Identifier: Apache-2.0
#include "models/tokenizer/text_pattern.h"

namespace lethe::models {

TextPattern::TextPattern(const json::value& value, const std::string& where) {
  ObjectReader reader(value, where, ErrorKind::kModel);
  if (reader.has("Regex")) {
    const std::string expression = reader.string("Regex");
    regex_.emplace(pcre2_from_oniguruma(expression, where), where);
  } else if (reader.has("String")) {
    fixed_ = reader.string("String");
    if (fixed_.empty()) {
      throw Error(ErrorKind::kModel, where + ": expected a text to look for, found an empty one");
    }
  } else {
    throw Error(ErrorKind::kModel, where + ": expected {\"String\": …} or {\"Regex\": …}, found " +
                                       json::serialize(value).substr(0, 80));
  }
  reader.finish();
}

void TextPattern::split(std::string_view text,
                        const std::function<void(std::string_view, bool)>& part) const {
  if (regex_) return regex_->split(text, part);
  while (!text.empty()) {
    const std::size_t at = text.find(fixed_);
    if (at != 0) part(text.substr(0, at), false);
    if (at == std::string_view::npos) return;
    part(text.substr(at, fixed_.size()), true);
    text.remove_prefix(at + fixed_.size());
  }
}

}  // namespace lethe::models
