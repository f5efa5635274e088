// SPDX-License-Identifier: Apache-2.0
#include "models/tokenizer/jinja_format.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <vector>

#include "models/tokenizer/jinja_text.h"

namespace lethe::models::jinja {
namespace {

void append_escape(std::string& text, const char* format, char32_t code) {
  char buffer[16];
  std::snprintf(buffer, sizeof buffer, format, static_cast<unsigned>(code));
  text += buffer;
}

// Python prints these of its not printable characters; the tables of Unicode are not here, so
// unassigned code points count as printable.
bool is_printable(char32_t code) {
  return code >= 0x20 && (code < 0x7f || code > 0xa0) && code != 0xad &&
         !(is_space(code) && code != ' ') && !(code >= 0x200b && code <= 0x200f) &&
         !(code >= 0x2028 && code <= 0x202e) && !(code >= 0x2060 && code <= 0x206f) &&
         !(code >= 0xe000 && code <= 0xf8ff) && code != 0xfeff &&
         !(code >= 0xfff0 && code < 0xfffc);
}

void append_quoted(std::string& out, const std::string& text) {
  const bool double_quotes =
      text.find('\'') != std::string::npos && text.find('"') == std::string::npos;
  const char quote = double_quotes ? '"' : '\'';
  out += quote;
  for (std::size_t at = 0; at < text.size();) {
    const CodePoint point = code_point_at(text, at);
    if (point.code == '\n') {
      out += "\\n";
    } else if (point.code == '\r') {
      out += "\\r";
    } else if (point.code == '\t') {
      out += "\\t";
    } else if (point.code == '\\' || point.code == static_cast<char32_t>(quote)) {
      out += '\\';
      out += static_cast<char>(point.code);
    } else if (is_printable(point.code)) {
      out.append(text, at, point.bytes);
    } else {
      const char* format = point.code < 0x100     ? "\\x%02x"
                           : point.code < 0x10000 ? "\\u%04x"
                                                  : "\\U%08x";
      append_escape(out, format, point.code);
    }
    at += point.bytes;
  }
  out += quote;
}

// str() of everything but texts, which have quotes inside containers.
void append_repr(Budget& budget, std::string& out, const Value& value) {
  budget.step();
  const std::size_t before = out.size();
  if (value.is_undefined()) {
    out += "Undefined";
  } else if (value.is_none()) {
    out += "None";
  } else if (const bool* flag = value.boolean()) {
    out += *flag ? "True" : "False";
  } else if (const auto* integer = value.integer()) {
    out += std::to_string(*integer);
  } else if (const double* real = value.real()) {
    out += float_text(*real);
  } else if (const std::string* text = value.text()) {
    budget.bytes(text->size());
    append_quoted(out, *text);
  } else if (const List* list = value.list()) {
    out += list->is_tuple ? '(' : '[';
    for (std::size_t i = 0; i < list->items.size(); ++i) {
      if (i > 0) out += ", ";
      append_repr(budget, out, list->items[i]);
    }
    if (list->is_tuple && list->items.size() == 1) out += ',';
    out += list->is_tuple ? ')' : ']';
  } else if (const Dict* dict = value.dict()) {
    out += '{';
    for (std::size_t i = 0; i < dict->items.size(); ++i) {
      if (i > 0) out += ", ";
      append_repr(budget, out, dict->items[i].first);
      out += ": ";
      append_repr(budget, out, dict->items[i].second);
    }
    out += '}';
  } else {
    fail("expected a value that prints, found " + describe(value));
  }
  budget.bytes(out.size() - before);
}

class JsonWriter {
 public:
  JsonWriter(Budget& budget, const JsonStyle& style) : budget_(budget), style_(style) {}

  void write(const Value& value, int level) {
    budget_.step();
    const std::size_t before = out_.size();
    if (const std::string* text = value.text()) {
      string(*text);
    } else if (const List* list = value.list()) {
      out_ += '[';
      for (std::size_t i = 0; i < list->items.size(); ++i) {
        separate(i, level + 1);
        write(list->items[i], level + 1);
      }
      close(']', list->items.empty(), level);
    } else if (const Dict* dict = value.dict()) {
      object(*dict, level);
    } else {
      out_ += scalar(value);
    }
    budget_.bytes(out_.size() - before);
  }

  std::string take() { return std::move(out_); }

 private:
  static std::string scalar(const Value& value) {
    if (value.is_none()) return "null";
    if (const bool* flag = value.boolean()) return *flag ? "true" : "false";
    if (const auto* integer = value.integer()) return std::to_string(*integer);
    if (const double* real = value.real()) {
      if (std::isnan(*real)) return "NaN";
      if (std::isinf(*real)) return *real < 0 ? "-Infinity" : "Infinity";
      return float_text(*real);
    }
    fail("expected a value that JSON has, found " + describe(value));
  }

  void object(const Dict& dict, int level) {
    std::vector<std::pair<std::string, const Value*>> members;
    for (const auto& [key, value] : dict.items) {
      if (key.list() != nullptr) fail("expected a key that JSON has, found a tuple");
      if (style_.sort_keys && key.text() == nullptr) {
        fail("expected keys that are strings, to sort them, found " + describe(key));
      }
      members.emplace_back(key.text() != nullptr ? *key.text() : scalar(key), &value);
    }
    if (style_.sort_keys) {
      std::ranges::stable_sort(members, {}, &std::pair<std::string, const Value*>::first);
    }
    out_ += '{';
    for (std::size_t i = 0; i < members.size(); ++i) {
      separate(i, level + 1);
      string(members[i].first);
      out_ += style_.key_separator;
      write(*members[i].second, level + 1);
    }
    close('}', members.empty(), level);
  }

  void separate(std::size_t index, int level) {
    if (index > 0) out_ += style_.item_separator;
    line(level);
  }

  void close(char bracket, bool empty, int level) {
    if (!empty) line(level);
    out_ += bracket;
  }

  void line(int level) {
    if (!style_.indent) return;
    budget_.bytes(style_.indent->size() * static_cast<std::size_t>(level));
    out_ += '\n';
    for (int i = 0; i < level; ++i) out_ += *style_.indent;
  }

  void string(const std::string& text) {
    static constexpr std::string_view kNamed = "\"\\\b\f\n\r\t";
    static constexpr std::string_view kNames = "\"\\bfnrt";
    budget_.bytes(text.size());
    out_ += '"';
    for (std::size_t at = 0; at < text.size();) {
      const CodePoint point = code_point_at(text, at);
      const auto place =
          point.code < 0x80 ? kNamed.find(static_cast<char>(point.code)) : std::string_view::npos;
      if (place != std::string_view::npos) {
        out_ += '\\';
        out_ += kNames[place];
      } else if (point.code < 0x20 || (style_.ascii_only && point.code >= 0x7f)) {
        escape(point.code);
      } else {
        out_.append(text, at, point.bytes);
      }
      at += point.bytes;
    }
    out_ += '"';
  }

  void escape(char32_t code) {
    if (code < 0x10000) {
      append_escape(out_, "\\u%04x", code);
    } else {
      append_escape(out_, "\\u%04x", 0xd800 + ((code - 0x10000) >> 10));
      append_escape(out_, "\\u%04x", 0xdc00 + ((code - 0x10000) & 0x3ff));
    }
  }

  Budget& budget_;
  const JsonStyle& style_;
  std::string out_;
};

}  // namespace

std::string float_text(double value) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value < 0 ? "-inf" : "inf";
  char buffer[64];
  const double size = std::abs(value);
  const bool scientific = size != 0 && (size < 1e-4 || size >= 1e16);
  const auto format = scientific ? std::chars_format::scientific : std::chars_format::fixed;
  const char* const end = std::to_chars(buffer, buffer + sizeof buffer, value, format).ptr;
  std::string text(static_cast<const char*>(buffer), end);
  if (!scientific && text.find('.') == std::string::npos) text += ".0";
  return text;
}

std::string to_text(Budget& budget, const Value& value) {
  if (value.is_undefined()) return "";
  if (const std::string* text = value.text()) {
    budget.bytes(text->size());
    return *text;
  }
  std::string out;
  append_repr(budget, out, value);
  return out;
}

std::string to_json(Budget& budget, const Value& value, const JsonStyle& style) {
  JsonWriter writer(budget, style);
  writer.write(value, 0);
  return writer.take();
}

}  // namespace lethe::models::jinja
