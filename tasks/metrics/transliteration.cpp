// SPDX-License-Identifier: Apache-2.0
#include "tasks/metrics/transliteration.h"

#include <cstdint>
#include <cstdio>
#include <string>

#include "harness/base/unicode.h"
#include "tasks/metrics/python_text.h"

namespace lethe::tasks {
namespace {

struct Letter {
  char32_t c;
  const char* ascii;
};

// What no decomposition of Unicode takes apart.
constexpr Letter kLetters[] = {
    {U'Æ', "AE"},  {U'æ', "ae"},  {U'Œ', "OE"},  {U'œ', "oe"},   {U'Ø', "O"},   {U'ø', "o"},
    {U'Đ', "D"},   {U'đ', "d"},   {U'Ð', "D"},   {U'ð', "d"},    {U'Þ', "Th"},  {U'þ', "th"},
    {U'Ł', "L"},   {U'ł', "l"},   {U'ß', "ss"},  {U'ẞ', "Ss"},   {U'ı', "i"},   {U'Ħ', "H"},
    {U'ħ', "h"},   {U'Ŧ', "T"},   {U'ŧ', "t"},   {U'ĸ', "k"},    {U'ŋ', "ng"},  {U'Ŋ', "NG"},
    {U'µ', "u"},   {U'‐', "-"},   {U'‑', "-"},   {U'‒', "-"},    {U'–', "-"},   {U'—', "--"},
    {U'―', "--"},  {U'‘', "'"},   {U'’', "'"},   {U'‚', ","},    {U'‛', "'"},   {U'“', "\""},
    {U'”', "\""},  {U'„', ",,"},  {U'‟', "\""},  {U'•', "*"},    {U'…', "..."}, {U'‹', "<"},
    {U'›', ">"},   {U'«', "<<"},  {U'»', ">>"},  {U'·', "*"},    {U'′', "'"},   {U'″', "''"},
    {U'⁄', "/"},   {U'×', "x"},   {U'÷', "/"},   {U'¡', "!"},    {U'¿', "?"},   {U'°', "deg"},
    {U'±', "+-"},  {U'©', "(c)"}, {U'®', "(r)"}, {U'™', "(tm)"}, {U'£', "PS"},  {U'¥', "Y="},
    {U'€', "EUR"}, {U'¢', "C/"},  {U'§', "SS"},  {U'¶', "P"},    {U'¬', "!"},   {U'¦', "|"},
    {U'、', ", "}, {U'。', ". "}, {U'「', "["},  {U'」', "] "},  {U'《', "<<"}, {U'》', ">> "},
    {U'¨', "\""},  {U'¯', "-"},   {U'´', "'"},   {U'¸', ","},    {U'¤', "$?"},  {U'ŉ', "'n"},
    {U'Ё', "Io"},  {U'ё', "io"},  {U'Є', "Ie"},  {U'є', "ie"},   {U'І', "I"},   {U'і', "i"},
    {U'Ї', "Yi"},  {U'ї', "yi"},  {U'Ј', "J"},   {U'ј', "j"},    {U'Љ', "Lj"},  {U'љ', "lj"},
    {U'Њ', "Nj"},  {U'њ', "nj"},  {U'Ћ', "Tsh"}, {U'ћ', "tsh"},  {U'Ђ', "Dj"},  {U'ђ', "dj"},
    {U'†', "+"},   {U'‡', "++"},  {U'‰', "%0"},  {U'№', "No. "}, {U'←', "-"},   {U'↑', "|"},
    {U'→', "-"},   {U'↓', "|"},   {U'−', "-"},   {U'〈', "<"},   {U'〉', "> "}, {U'『', "{"},
    {U'』', "} "}, {U'【', "[("}, {U'】', ")] "}};

// U+0391 (Alpha) to U+03C9 (omega); U+03A2 is no letter.
constexpr const char* kGreek[] = {
    "A", "B", "G", "D", "E", "Z", "E",  "Th", "I",  "K",  "L",  "M", "N", "Ks", "O",
    "P", "R", "",  "S", "T", "U", "Ph", "Kh", "Ps", "O",  "I",  "U", "a", "e",  "e",
    "i", "u", "a", "b", "g", "d", "e",  "z",  "e",  "th", "i",  "k", "l", "m",  "n",
    "x", "o", "p", "r", "s", "s", "t",  "u",  "ph", "kh", "ps", "o"};
constexpr char32_t kFirstGreek = 0x391;

// U+0410 to U+044F: the Russian alphabet, capitals first.
constexpr const char* kCyrillic[] = {
    "A", "B", "V", "G", "D", "E",  "Zh", "Z",  "I",  "I",    "K", "L", "M", "N", "O",  "P",
    "R", "S", "T", "U", "F", "Kh", "Ts", "Ch", "Sh", "Shch", "'", "Y", "'", "E", "Iu", "Ia",
    "a", "b", "v", "g", "d", "e",  "zh", "z",  "i",  "i",    "k", "l", "m", "n", "o",  "p",
    "r", "s", "t", "u", "f", "kh", "ts", "ch", "sh", "shch", "'", "y", "'", "e", "iu", "ia"};
constexpr char32_t kFirstCyrillic = 0x410;

// U+3041 (small a) to U+3096 (small ke); katakana stand 0x60 higher.
constexpr const char* kKana[] = {
    "a",  "a",  "i",   "i",  "u",   "u",   "e",  "e",   "o",  "o",  "ka", "ga", "ki", "gi", "ku",
    "gu", "ke", "ge",  "ko", "go",  "sa",  "za", "shi", "zi", "su", "zu", "se", "ze", "so", "zo",
    "ta", "da", "chi", "di", "tsu", "tsu", "du", "te",  "de", "to", "do", "na", "ni", "nu", "ne",
    "no", "ha", "ba",  "pa", "hi",  "bi",  "pi", "hu",  "bu", "pu", "he", "be", "pe", "ho", "bo",
    "po", "ma", "mi",  "mu", "me",  "mo",  "ya", "ya",  "yu", "yu", "yo", "yo", "ra", "ri", "ru",
    "re", "ro", "wa",  "wa", "wi",  "we",  "wo", "n",   "vu", "ka", "ke"};
constexpr char32_t kFirstHiragana = 0x3041;
constexpr char32_t kFirstKatakana = 0x30a1;

template <std::size_t n>
const char* in_table(const char* const (&table)[n], char32_t first, char32_t c) {
  return c >= first && c < first + n ? table[c - first] : nullptr;
}

/// Known by itself, or nullptr.
const char* known(char32_t c) {
  for (const Letter& letter : kLetters) {
    if (letter.c == c) return letter.ascii;
  }
  if (const char* ascii = in_table(kGreek, kFirstGreek, c)) return ascii;
  if (const char* ascii = in_table(kCyrillic, kFirstCyrillic, c)) return ascii;
  if (const char* ascii = in_table(kKana, kFirstHiragana, c)) return ascii;
  return in_table(kKana, kFirstKatakana, c);
}

void append_ascii(std::string& out, std::int32_t c, std::string_view bytes) {
  constexpr std::int32_t kFirstHangul = 0xac00;
  constexpr std::int32_t kLastHangul = 0xd7a3;
  if (c < 0x80) {
    out += static_cast<char>(c);
  } else if (const char* ascii = known(static_cast<char32_t>(c))) {
    out += ascii;
  } else if (is_cjk_ideograph(c) || (c >= kFirstHangul && c <= kLastHangul)) {
    char word[16];
    std::snprintf(word, sizeof word, "u%x ", static_cast<unsigned>(c));
    out += word;
  } else if (is_python_space(static_cast<char32_t>(c))) {
    out += ' ';
  } else if (const auto digit = python_int(std::u32string(1, static_cast<char32_t>(c)))) {
    out += *digit;
  } else if (const std::string parts = normal_form(bytes, NormalForm::kNfkd); parts != bytes) {
    // A fraction stands apart from a number before it.
    if (parts.find("\u2044") != std::string::npos) out += ' ';
    for_each_code_point(
        parts, [&](std::int32_t part, std::string_view text) { append_ascii(out, part, text); });
  }
}

}  // namespace

std::string to_ascii(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for_each_code_point(text,
                      [&](std::int32_t c, std::string_view bytes) { append_ascii(out, c, bytes); });
  return out;
}

}  // namespace lethe::tasks
