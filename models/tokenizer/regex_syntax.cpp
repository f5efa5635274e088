// SPDX-License-Identifier: Apache-2.0
// Oniguruma's Ruby syntax as PCRE2's. Both read the expressions of published tokenizers alike but
// for the classes of characters; what they read differently is refused rather than approximated.
#include <cctype>

#include "harness/base/error.h"
#include "harness/base/unicode.h"
#include "models/tokenizer/regex.h"

namespace lethe::models {
namespace {

// PCRE2's \s has U+180E, which is no white space in Unicode 6.3 and later; its \w lacks marks.
constexpr std::string_view kSpace = "\\p{White_Space}";
constexpr std::string_view kNoSpace = "\\P{White_Space}";
constexpr std::string_view kWord = "\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}";

class Translator {
 public:
  Translator(std::string_view expression, std::string_view where)
      : in_(expression), where_(where) {}

  std::string translate() {
    while (at_ < in_.size()) {
      switch (in_[at_]) {
        case '\\':
          escape(false);
          break;
        case '[':
          character_class();
          break;
        case '(':
          group();
          break;
        case '{':
          interval();
          break;
        // Ruby's anchors match at every line.
        case '^':
          copy_as("(?m:^)");
          break;
        case '$':
          copy_as("(?m:$)");
          break;
        default:
          copy_character();
      }
    }
    return std::move(out_);
  }

 private:
  [[noreturn]] void refuse(std::size_t from, std::size_t length, std::string_view why) const {
    throw Error(ErrorKind::kModel,
                std::string(where_) + ": regular expression '" + std::string(in_) + "', byte " +
                    std::to_string(from) + ": expected a construct that is supported, found '" +
                    std::string(in_.substr(from, length)) + "' (" + std::string(why) + ")");
  }
  bool next_is(std::string_view text) const { return in_.substr(at_).starts_with(text); }
  void copy(std::size_t length) {
    out_ += in_.substr(at_, length);
    at_ += length;
  }
  void copy_character() { copy(std::min(utf8_length(in_[at_]), in_.size() - at_)); }
  void copy_as(std::string_view text, std::size_t length = 1) {
    out_ += text;
    at_ += length;
  }

  void escape(bool in_class) {
    if (at_ + 1 >= in_.size()) refuse(at_, 1, "nothing follows");
    const char kind = in_[at_ + 1];
    if (std::ispunct(static_cast<unsigned char>(kind)) != 0) return copy(2);
    switch (kind) {
      case 'r':
      case 'n':
      case 't':
      case 'f':
      case 'v':
        // PCRE2 reads \v as any vertical space.
        return kind == 'v' ? copy_as("\\x{b}", 2) : copy(2);
      case 'd':
        return copy_as("\\p{Nd}", 2);
      case 'D':
        return copy_as("\\P{Nd}", 2);
      case 's':
        return copy_as(kSpace, 2);
      case 'S':
        return copy_as(kNoSpace, 2);
      case 'w':
        return copy_as(in_class ? std::string(kWord) : "[" + std::string(kWord) + "]", 2);
      case 'W':
        if (in_class) refuse(at_, 2, "not in a class");
        return copy_as("[^" + std::string(kWord) + "]", 2);
      case 'p':
      case 'P':
        return property();
      case 'x':
        return hexadecimal();
      case 'u': {
        const auto digits = in_.substr(at_ + 2, 4);
        if (digits.size() < 4 || digits.find_first_not_of(kHexDigits) != std::string_view::npos) {
          refuse(at_, 6, "four hexadecimal digits must follow");
        }
        return copy_as("\\x{" + std::string(digits) + "}", 6);
      }
      case 'A':
      case 'z':
        if (in_class) refuse(at_, 2, "not in a class");
        return copy(2);
      default:
        refuse(at_, 2, "known escapes: \\d \\s \\w \\p{} \\x{} \\u \\r \\n \\t \\A \\z");
    }
  }

  void property() {
    const std::size_t end = in_.find('}', at_);
    if (in_.substr(at_ + 2, 1) != "{" || end == std::string_view::npos) {
      refuse(at_, 2, "expected \\p{NAME}");
    }
    copy(end + 1 - at_);
  }

  void hexadecimal() {
    if (in_.substr(at_ + 2, 1) == "{") {
      const std::size_t end = in_.find('}', at_);
      if (end == std::string_view::npos) refuse(at_, 3, "no closing brace");
      return copy(end + 1 - at_);
    }
    const auto digits = in_.substr(at_ + 2, 2);
    // From 80 on Ruby means a byte, PCRE2 a character.
    if (digits.size() < 2 || digits.find_first_not_of(kHexDigits) != std::string_view::npos ||
        digits[0] > '7') {
      refuse(at_, 4, "two hexadecimal digits up to 7f must follow");
    }
    copy(4);
  }

  void character_class() {
    const std::size_t opened = at_;
    copy(next_is("[^") ? 2 : 1);
    if (next_is("]")) refuse(opened, 3, "an empty class");
    while (!next_is("]")) {
      if (at_ >= in_.size()) refuse(opened, 1, "a class without end");
      if (next_is("[")) refuse(at_, 1, "a class in a class");
      if (next_is("&&")) refuse(at_, 2, "an intersection of classes");
      if (in_[at_] == '\\') {
        escape(true);
      } else {
        copy_character();
      }
    }
    copy(1);
  }

  void group() {
    constexpr std::string_view kKnown[] = {"(?:", "(?=", "(?!", "(?<=", "(?<!", "(?>", "(?i:"};
    if (!next_is("(?")) return copy(1);
    for (const auto known : kKnown) {
      if (next_is(known)) return copy(known.size());
    }
    if (at_ == 0 && next_is("(?i)")) return copy(4);
    refuse(at_, 4, "known groups: (?: (?= (?! (?<= (?<! (?> (?i:");
  }

  void interval() {
    const std::size_t end = in_.find('}', at_);
    const auto inside = in_.substr(at_ + 1, end == std::string_view::npos ? 0 : end - at_ - 1);
    if (inside.empty() || inside[0] == ',' ||
        inside.find_first_not_of("0123456789,") != std::string_view::npos) {
      refuse(at_, 1, "expected {n}, {n,} or {n,m}");
    }
    // PCRE2 would take it as possessive, Ruby as a repetition of the repetition.
    if (in_.substr(end + 1, 1) == "+") refuse(at_, end + 2 - at_, "a plus behind an interval");
    copy(end + 1 - at_);
  }

  static constexpr std::string_view kHexDigits = "0123456789abcdefABCDEF";
  std::string_view in_;
  std::string_view where_;
  std::string out_;
  std::size_t at_ = 0;
};

}  // namespace

std::string pcre2_from_oniguruma(std::string_view expression, std::string_view where) {
  return Translator(expression, where).translate();
}

}  // namespace lethe::models
