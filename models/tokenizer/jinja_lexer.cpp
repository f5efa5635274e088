// SPDX-License-Identifier: Apache-2.0
#include "models/tokenizer/jinja_lexer.h"

#include <algorithm>

#include "harness/base/error.h"
#include "harness/base/text.h"
#include "models/tokenizer/jinja_text.h"

namespace lethe::models::jinja {
namespace {

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

bool is_name(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || is_digit(c);
}

class Lexer {
 public:
  explicit Lexer(const Source& source) : source_(source), text_(source.text()) {}

  std::vector<Token> run() {
    while (at_ < text_.size()) data();
    add(TokenType::kEnd, "", at_);
    return std::move(tokens_);
  }

 private:
  void data() {
    std::size_t begin = at_;
    while (true) {
      begin = text_.find('{', begin);
      if (begin == std::string_view::npos || begin + 1 >= text_.size()) {
        return add_data(text_.substr(at_), text_.size());
      }
      if (std::string_view("{%#").find(text_[begin + 1]) != std::string_view::npos) break;
      ++begin;
    }
    const char kind = text_[begin + 1];
    const std::string_view before = text_.substr(at_, begin - at_);
    std::size_t inner = begin + 2;
    const char sign = inner < text_.size() ? text_[inner] : ' ';
    if (sign == '-' || sign == '+') ++inner;
    add_data(stripped(before, sign, kind), begin);
    at_ = inner;
    if (kind == '#') {
      comment(begin);
    } else if (kind == '%' && skip_raw_begin()) {
      raw(begin);
    } else {
      add(kind == '%' ? TokenType::kBlockBegin : TokenType::kVariableBegin, "", begin);
      tag(kind == '%', begin);
    }
    line_starts_ = text_[at_ - 1] == '\n';
  }

  // Data in front of a tag: '-' takes all white space, and lstrip_blocks what stands between the
  // start of the line and a block or comment.
  std::string_view stripped(std::string_view before, char sign, char kind) const {
    if (sign == '-') return strip(before, Side::kRight);
    if (sign == '+' || kind == '{') return before;
    const std::size_t newline = before.rfind('\n');
    if (newline == std::string_view::npos && !line_starts_) return before;
    const std::size_t line = newline == std::string_view::npos ? 0 : newline + 1;
    return strip(before.substr(line), Side::kLeft).empty() ? before.substr(0, line) : before;
  }

  void comment(std::size_t begin) {
    const std::size_t end = text_.find("#}", at_);
    if (end == std::string_view::npos) fail(begin, "expected '#}' after '{#', found the end");
    const char sign = end > at_ ? text_[end - 1] : ' ';
    at_ = end + 2;
    after_block(sign);
  }

  // trim_blocks takes one line end behind a block or comment, '-' all white space.
  void after_block(char sign) {
    if (sign == '-') {
      skip_spaces();
    } else if (sign != '+' && at_ < text_.size() && text_[at_] == '\n') {
      ++at_;
    }
  }

  bool skip_raw_begin() {
    const std::size_t start = at_;
    skip_spaces();
    if (text_.substr(at_, 3) == "raw") {
      at_ += 3;
      skip_spaces();
      if (text_.substr(at_, 3) == "-%}") {
        at_ += 3;
        skip_spaces();
        return true;
      }
      if (text_.substr(at_, 2) == "%}") {
        at_ += 2;
        return true;
      }
    }
    at_ = start;
    return false;
  }

  void raw(std::size_t begin) {
    const std::size_t start = at_;
    line_starts_ = text_[at_ - 1] == '\n';
    for (std::size_t end = text_.find("{%", at_); end != std::string_view::npos;
         end = text_.find("{%", end + 1)) {
      at_ = end + 2;
      const char sign = at_ < text_.size() ? text_[at_] : ' ';
      if (sign == '-' || sign == '+') ++at_;
      skip_spaces();
      if (text_.substr(at_, 6) != "endraw") continue;
      at_ += 6;
      skip_spaces();
      char closing = ' ';
      if (at_ < text_.size() && (text_[at_] == '-' || text_[at_] == '+')) closing = text_[at_++];
      if (text_.substr(at_, 2) != "%}") continue;
      at_ += 2;
      after_block(closing);
      add_data(stripped(text_.substr(start, end - start), sign, '%'), start);
      return;
    }
    fail(begin, "expected {% endraw %} after {% raw %}, found the end");
  }

  void tag(bool is_block, std::size_t begin) {
    const std::string_view end = is_block ? "%}" : "}}";
    std::vector<std::pair<char, std::size_t>> open;
    while (true) {
      skip_spaces();
      if (at_ == text_.size()) {
        fail(begin, "expected '" + std::string(end) + "' after '" +
                        std::string(text_.substr(begin, 2)) + "', found the end");
      }
      // Inside brackets "}}" closes two dicts.
      if (open.empty()) {
        const char sign = text_[at_];
        const bool signed_end = sign == '-' || (sign == '+' && is_block);
        const std::size_t start = at_ + (signed_end ? 1 : 0);
        if (text_.substr(start, 2) == end) {
          add(is_block ? TokenType::kBlockEnd : TokenType::kVariableEnd, "", at_);
          at_ = start + 2;
          if (is_block) {
            after_block(sign);
          } else if (sign == '-') {
            skip_spaces();
          }
          return;
        }
      }
      token(open);
    }
  }

  void token(std::vector<std::pair<char, std::size_t>>& open) {
    const char c = text_[at_];
    if (is_digit(c)) return number();
    if (is_name(c)) return name();
    if (c == '\'' || c == '"') return string();
    static constexpr std::string_view kPairs[] = {"**", "//", "==", "!=", ">=", "<="};
    const std::string_view two = text_.substr(at_, 2);
    const bool pair = std::ranges::find(kPairs, two) != std::end(kPairs);
    if (!pair && std::string_view("+-/*%~[](){}<>=.:|,").find(c) == std::string_view::npos) {
      const std::size_t bytes = code_point_at(text_, at_).bytes;
      fail(at_, "expected a name (ASCII), a string, a number or an operator, found '" +
                    std::string(text_.substr(at_, bytes)) + "'");
    }
    if (c == '(' || c == '[' || c == '{') open.emplace_back(c, at_);
    if (c == ')' || c == ']' || c == '}') {
      const char wanted = c == ')' ? '(' : c == ']' ? '[' : '{';
      if (open.empty() || open.back().first != wanted) {
        fail(at_, std::string("found '") + c + "' without the bracket that it closes");
      }
      open.pop_back();
    }
    const std::size_t bytes = pair ? 2 : 1;
    add(TokenType::kOperator, std::string(text_.substr(at_, bytes)), at_);
    at_ += bytes;
  }

  void name() {
    const std::size_t start = at_;
    while (at_ < text_.size() && is_name(text_[at_])) ++at_;
    add(TokenType::kName, std::string(text_.substr(start, at_ - start)), start);
  }

  std::string digits() {
    std::string found;
    while (at_ < text_.size() && (is_digit(text_[at_]) || text_[at_] == '_')) {
      if (text_[at_] != '_') found += text_[at_];
      ++at_;
    }
    return found;
  }

  bool digit_at(std::size_t at) const { return at < text_.size() && is_digit(text_[at]); }

  void number() {
    const std::size_t start = at_;
    std::string found = digits();
    bool is_float = false;
    // "a.0.5" is two accesses, so no float begins behind a dot.
    if (start == 0 || text_[start - 1] != '.') {
      if (at_ < text_.size() && text_[at_] == '.' && digit_at(at_ + 1)) {
        ++at_;
        found += "." + digits();
        is_float = true;
      }
      if (at_ < text_.size() && (text_[at_] == 'e' || text_[at_] == 'E')) {
        const bool sign =
            at_ + 1 < text_.size() && (text_[at_ + 1] == '-' || text_[at_ + 1] == '+');
        if (digit_at(at_ + (sign ? 2 : 1))) {
          found += 'e';
          if (text_[at_ + 1] == '-') found += '-';
          at_ += sign ? 2 : 1;
          found += digits();
          is_float = true;
        }
      }
    }
    if (at_ < text_.size() && is_name(text_[at_])) {
      fail(start, "expected a decimal number, found '" +
                      std::string(text_.substr(start, at_ + 1 - start)) + "'");
    }
    add(is_float ? TokenType::kFloat : TokenType::kInteger, found, start);
  }

  void string() {
    const std::size_t start = at_;
    const char quote = text_[at_++];
    std::string value;
    while (at_ < text_.size() && text_[at_] != quote) {
      if (text_[at_] == '\\' && at_ + 1 < text_.size()) {
        escape(value);
      } else {
        value += text_[at_++];
      }
    }
    if (at_ >= text_.size()) fail(start, "expected the quote that ends the string, found the end");
    ++at_;
    add(TokenType::kString, value, start);
  }

  void escape(std::string& value) {
    static constexpr std::string_view kNames = "\\'\"abfnrtv";
    static constexpr std::string_view kMeanings = "\\'\"\a\b\f\n\r\t\v";
    const char c = text_[at_ + 1];
    if (c == '\n') {  // a line that goes on
      at_ += 2;
    } else if (const auto place = kNames.find(c); place != std::string_view::npos) {
      value += kMeanings[place];
      at_ += 2;
    } else if (c == 'x' || c == 'u' || c == 'U') {
      coded(value, 2, c == 'x' ? 2 : c == 'u' ? 4 : 8, 16);
    } else if (c >= '0' && c <= '7') {
      std::size_t length = 1;
      while (length < 3 && at_ + 1 + length < text_.size() && text_[at_ + 1 + length] >= '0' &&
             text_[at_ + 1 + length] <= '7') {
        ++length;
      }
      coded(value, 1, length, 8);
    } else if (c == 'N') {
      fail(at_, "expected an escape with a number, found \\N, which is not supported");
    } else {  // Python keeps the backslash of an escape that it does not know
      value += '\\';
      ++at_;
    }
  }

  void coded(std::string& value, std::size_t prefix, std::size_t length, char32_t base) {
    char32_t code = 0;
    for (std::size_t i = 0; i < length; ++i) {
      const std::size_t at = at_ + prefix + i;
      const char c = at < text_.size() ? text_[at] : ' ';
      const auto place = std::string_view("0123456789abcdef")
                             .find(c >= 'A' && c <= 'F' ? static_cast<char>(c - 'A' + 'a') : c);
      if (place >= base) {
        fail(at_, "expected " + std::to_string(length) + " digits in the escape, found less");
      }
      code = code * base + static_cast<char32_t>(place);
    }
    if (code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff)) {
      fail(at_, "expected the number of a character, found a surrogate or a number above 10FFFF");
    }
    append_utf8(value, code);
    at_ += prefix + length;
  }

  void skip_spaces() {
    while (at_ < text_.size()) {
      const CodePoint point = code_point_at(text_, at_);
      if (!is_space(point.code)) return;
      at_ += point.bytes;
    }
  }

  void add(TokenType type, std::string text, std::size_t offset) {
    tokens_.push_back({type, std::move(text), offset});
  }

  void add_data(std::string_view text, std::size_t end) {
    if (!text.empty()) add(TokenType::kData, std::string(text), at_);
    at_ = std::max(at_, end);
  }

  [[noreturn]] void fail(std::size_t offset, const std::string& message) const {
    source_.fail_at(offset, message);
  }

  const Source& source_;
  std::string_view text_;
  std::size_t at_ = 0;
  bool line_starts_ = true;
  std::vector<Token> tokens_;
};

}  // namespace

Source::Source(std::string_view text, std::string where, std::size_t most)
    : where_(std::move(where)) {
  if (text.size() > most) {
    throw Error(ErrorKind::kModel, where_ + ": expected a template of at most " +
                                       std::to_string(most) + " bytes, found " +
                                       std::to_string(text.size()));
  }
  if (const auto offset = first_invalid_utf8(text)) {
    throw Error(ErrorKind::kModel, where_ + ": expected a template in UTF-8, found byte " +
                                       std::to_string(*offset) + " that begins no character");
  }
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\r') {
      text_ += '\n';
      if (i + 1 < text.size() && text[i + 1] == '\n') ++i;
    } else {
      text_ += text[i];
    }
  }
  if (!text_.empty() && text_.back() == '\n') text_.pop_back();
}

void Source::fail_at(std::size_t offset, const std::string& message) const {
  const std::string_view before = std::string_view(text_).substr(0, offset);
  const auto line = 1 + std::ranges::count(before, '\n');
  const std::size_t newline = before.rfind('\n');
  const std::size_t start = newline == std::string_view::npos ? 0 : newline + 1;
  throw Error(ErrorKind::kModel, where_ + ": line " + std::to_string(line) + ", column " +
                                     std::to_string(1 + code_points_in(before.substr(start))) +
                                     ": " + message);
}

std::vector<Token> lex(const Source& source) {
  return Lexer(source).run();
}

}  // namespace lethe::models::jinja
