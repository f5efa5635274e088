// SPDX-License-Identifier: Apache-2.0
#include "models/tokenizer/jinja_text.h"

#include <algorithm>
#include <cstdio>

#include "models/tokenizer/jinja_value.h"

namespace lethe::models::jinja {
namespace {

struct Range {
  char32_t first;
  char32_t last;
};

// Letters of these blocks have one case only, or the blocks have no letters.
constexpr Range kWithoutCase[] = {
    {0x0080, 0x00a9},   {0x00ab, 0x00b4}, {0x00b6, 0x00b9}, {0x00bb, 0x00bf}, {0x0300, 0x0344},
    {0x0590, 0x109f},   {0x1100, 0x139f}, {0x1400, 0x1c7f}, {0x2000, 0x2070}, {0x2072, 0x207e},
    {0x2080, 0x208e},   {0x20a0, 0x20ff}, {0x2190, 0x24b5}, {0x2500, 0x2bff}, {0x2e80, 0xa63f},
    {0xac00, 0xd7ff},   {0xe000, 0xfaff}, {0xfe00, 0xff20}, {0xff5b, 0xffff}, {0x1f000, 0x1f12f},
    {0x1f18a, 0x10ffff}};

enum class Case { kNone, kUpper, kLower };

Case case_of(char32_t code) {
  if (code < 0x80) {
    if (code >= 'a' && code <= 'z') return Case::kLower;
    return code >= 'A' && code <= 'Z' ? Case::kUpper : Case::kNone;
  }
  if (code >= 0xc0 && code <= 0xff && code != 0xd7 && code != 0xf7) {
    return code < 0xdf ? Case::kUpper : Case::kLower;
  }
  // U+0390, U+03B0: their upper case is three code points; U+03C2: depends on the place in a word.
  if (code >= 0x391 && code <= 0x3ab && code != 0x3a2) return Case::kUpper;
  if (code >= 0x3ac && code <= 0x3ce && code != 0x3b0) return Case::kLower;
  if (code >= 0x400 && code <= 0x42f) return Case::kUpper;
  if (code >= 0x430 && code <= 0x45f) return Case::kLower;
  for (const Range& range : kWithoutCase) {
    if (code >= range.first && code <= range.last) return Case::kNone;
  }
  char name[16];
  std::snprintf(name, sizeof name, "U+%04X", static_cast<unsigned>(code));
  fail(std::string("expected letters whose upper and lower case are known here (ASCII, Latin-1, "
                   "Greek, Cyrillic), found ") +
       name);
}

void append_upper(std::string& text, char32_t code) {
  if (case_of(code) != Case::kLower) return append_utf8(text, code);
  if (code == 0xdf) {
    text += "SS";
  } else if (code == 0xff) {
    append_utf8(text, 0x178);
  } else if (code == 0x3ac) {
    append_utf8(text, 0x386);
  } else if (code >= 0x3ad && code <= 0x3af) {
    append_utf8(text, code - 37);
  } else if (code == 0x3c2) {
    append_utf8(text, 0x3a3);
  } else if (code == 0x3cc) {
    append_utf8(text, 0x38c);
  } else if (code == 0x3cd || code == 0x3ce) {
    append_utf8(text, code - 63);
  } else {
    append_utf8(text, code >= 0x450 ? code - 80 : code - 32);
  }
}

void append_lower(std::string& text, char32_t code) {
  if (case_of(code) != Case::kUpper) return append_utf8(text, code);
  if (code == 0x3a3) {
    fail("the lower case of U+03A3 depends on its place in the word, which is not supported");
  }
  append_utf8(text, code >= 0x400 && code <= 0x40f ? code + 80 : code + 32);
}

template <typename Visit>
void for_each(std::string_view text, Visit&& visit) {
  for (std::size_t at = 0; at < text.size();) {
    const CodePoint point = code_point_at(text, at);
    visit(point.code);
    at += point.bytes;
  }
}

CodePoint code_point_before(std::string_view text, std::size_t end) {
  std::size_t at = end - 1;
  while (at > 0 && (static_cast<unsigned char>(text[at]) & 0xc0) == 0x80) --at;
  return code_point_at(text, at);
}

template <typename Drop>
std::string_view strip_if(std::string_view text, Side side, Drop&& drop) {
  while (side != Side::kRight && !text.empty()) {
    const CodePoint point = code_point_at(text, 0);
    if (!drop(point.code)) break;
    text.remove_prefix(point.bytes);
  }
  while (side != Side::kLeft && !text.empty()) {
    const CodePoint point = code_point_before(text, text.size());
    if (!drop(point.code)) break;
    text.remove_suffix(point.bytes);
  }
  return text;
}

}  // namespace

CodePoint code_point_at(std::string_view text, std::size_t at) {
  const auto byte = [&](std::size_t i) {
    return static_cast<char32_t>(static_cast<unsigned char>(text[at + i]));
  };
  const char32_t lead = byte(0);
  if (lead < 0x80) return {lead, 1};
  if (lead < 0xe0) return {((lead & 0x1f) << 6) | (byte(1) & 0x3f), 2};
  if (lead < 0xf0) {
    return {((lead & 0x0f) << 12) | ((byte(1) & 0x3f) << 6) | (byte(2) & 0x3f), 3};
  }
  return {
      ((lead & 0x07) << 18) | ((byte(1) & 0x3f) << 12) | ((byte(2) & 0x3f) << 6) | (byte(3) & 0x3f),
      4};
}

void append_utf8(std::string& text, char32_t code) {
  const auto add = [&](char32_t byte) { text += static_cast<char>(byte); };
  if (code < 0x80) {
    add(code);
  } else if (code < 0x800) {
    add(0xc0 | (code >> 6));
    add(0x80 | (code & 0x3f));
  } else if (code < 0x10000) {
    add(0xe0 | (code >> 12));
    add(0x80 | ((code >> 6) & 0x3f));
    add(0x80 | (code & 0x3f));
  } else {
    add(0xf0 | (code >> 18));
    add(0x80 | ((code >> 12) & 0x3f));
    add(0x80 | ((code >> 6) & 0x3f));
    add(0x80 | (code & 0x3f));
  }
}

std::size_t code_points_in(std::string_view text) {
  return static_cast<std::size_t>(std::ranges::count_if(
      text, [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; }));
}

std::vector<std::string> characters(std::string_view text) {
  std::vector<std::string> found;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t bytes = code_point_at(text, at).bytes;
    found.emplace_back(text.substr(at, bytes));
    at += bytes;
  }
  return found;
}

bool is_space(char32_t code) {
  return (code >= 0x09 && code <= 0x0d) || (code >= 0x1c && code <= 0x20) || code == 0x85 ||
         code == 0xa0 || code == 0x1680 || (code >= 0x2000 && code <= 0x200a) || code == 0x2028 ||
         code == 0x2029 || code == 0x202f || code == 0x205f || code == 0x3000;
}

std::string_view strip(std::string_view text, Side side) {
  return strip_if(text, side, is_space);
}

std::string_view strip(std::string_view text, std::string_view set, Side side) {
  std::vector<char32_t> dropped;
  for_each(set, [&](char32_t code) { dropped.push_back(code); });
  std::ranges::sort(dropped);
  return strip_if(text, side,
                  [&](char32_t code) { return std::ranges::binary_search(dropped, code); });
}

std::string upper(std::string_view text) {
  std::string result;
  for_each(text, [&](char32_t code) { append_upper(result, code); });
  return result;
}

std::string lower(std::string_view text) {
  std::string result;
  for_each(text, [&](char32_t code) { append_lower(result, code); });
  return result;
}

std::string title(std::string_view text) {
  std::string result;
  bool in_word = false;
  for_each(text, [&](char32_t code) {
    if (!in_word && code == 0xdf) {
      result += "Ss";
    } else if (in_word) {
      append_lower(result, code);
    } else {
      append_upper(result, code);
    }
    in_word = case_of(code) != Case::kNone;
  });
  return result;
}

std::string capitalize(std::string_view text) {
  if (text.empty()) return "";
  const std::size_t first = code_point_at(text, 0).bytes;
  return title(text.substr(0, first)) + lower(text.substr(first));
}

std::vector<std::string> split_spaces(std::string_view text, std::int64_t most, bool from_right) {
  std::vector<std::string> parts;
  const Side outer = from_right ? Side::kRight : Side::kLeft;
  for (text = strip(text, outer); !text.empty(); text = strip(text, outer)) {
    if (most >= 0 && static_cast<std::int64_t>(parts.size()) == most) {
      parts.emplace_back(text);  // the rest stays whole, spaces at its far end included
      break;
    }
    std::size_t at = from_right ? text.size() : 0;
    while (from_right ? at > 0 : at < text.size()) {
      const CodePoint point = from_right ? code_point_before(text, at) : code_point_at(text, at);
      if (is_space(point.code)) break;
      at = from_right ? at - point.bytes : at + point.bytes;
    }
    parts.emplace_back(from_right ? text.substr(at) : text.substr(0, at));
    text = from_right ? text.substr(0, at) : text.substr(at);
  }
  if (from_right) std::ranges::reverse(parts);
  return parts;
}

std::vector<std::string> split_at(std::string_view text, std::string_view separator,
                                  std::int64_t most, bool from_right) {
  std::vector<std::string> parts;
  while (most < 0 || static_cast<std::int64_t>(parts.size()) < most) {
    const std::size_t at = from_right ? text.rfind(separator) : text.find(separator);
    if (at == std::string_view::npos) break;
    const std::string_view rest = text.substr(at + separator.size());
    parts.emplace_back(from_right ? rest : text.substr(0, at));
    text = from_right ? text.substr(0, at) : rest;
  }
  parts.emplace_back(text);
  if (from_right) std::ranges::reverse(parts);
  return parts;
}

std::vector<std::string> split_lines(std::string_view text) {
  std::vector<std::string> lines;
  std::size_t start = 0;
  for (std::size_t at = 0; at < text.size();) {
    const CodePoint point = code_point_at(text, at);
    const bool ends = (point.code >= 0x0a && point.code <= 0x0d) ||
                      (point.code >= 0x1c && point.code <= 0x1e) || point.code == 0x85 ||
                      point.code == 0x2028 || point.code == 0x2029;
    if (ends) lines.emplace_back(text.substr(start, at - start));
    at += text.substr(at, 2) == "\r\n" ? 2 : point.bytes;
    if (ends) start = at;
  }
  if (start < text.size()) lines.emplace_back(text.substr(start));
  return lines;
}

}  // namespace lethe::models::jinja
