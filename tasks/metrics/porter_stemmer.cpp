// SPDX-License-Identifier: Apache-2.0
#include "tasks/metrics/porter_stemmer.h"

#include <array>
#include <optional>
#include <span>
#include <utility>
#include <vector>

namespace lethe::tasks {
namespace {

/// Which letters are consonants: not a vowel, and not a y after a consonant.
std::vector<bool> consonants(std::string_view word) {
  std::vector<bool> is_consonant(word.size());
  for (std::size_t i = 0; i < word.size(); ++i) {
    const bool vowel = std::string_view("aeiou").find(word[i]) != std::string_view::npos;
    is_consonant[i] = word[i] == 'y' ? i == 0 || !is_consonant[i - 1] : !vowel;
  }
  return is_consonant;
}

/// Porter's m: how often a consonant follows a vowel.
int measure(std::string_view stem) {
  const auto consonant = consonants(stem);
  int count = 0;
  for (std::size_t i = 1; i < stem.size(); ++i) count += consonant[i] && !consonant[i - 1] ? 1 : 0;
  return count;
}

bool contains_vowel(std::string_view stem) {
  for (const bool consonant : consonants(stem)) {
    if (!consonant) return true;
  }
  return false;
}

bool ends_in_double_consonant(std::string_view stem) {
  return stem.size() >= 2 && stem.back() == stem[stem.size() - 2] && consonants(stem).back();
}

/// Consonant, vowel, consonant other than w, x, y; for NLTK a vowel and a consonant alone too.
bool ends_in_cvc(std::string_view stem) {
  const auto consonant = consonants(stem);
  const std::size_t n = stem.size();
  if (n == 2) return !consonant[0] && consonant[1];
  return n >= 3 && consonant[n - 3] && !consonant[n - 2] && consonant[n - 1] &&
         std::string_view("wxy").find(stem.back()) == std::string_view::npos;
}

struct Rule {
  std::string_view suffix;
  std::string_view replacement;
};

std::string_view stem_of(std::string_view word, std::string_view suffix) {
  return word.substr(0, word.size() - suffix.size());
}

/// The first rule whose suffix fits decides: the suffix is replaced when `condition` holds for the
/// stem, and the word stays otherwise.
template <typename Condition>
std::string apply(std::string_view word, std::span<const Rule> rules, Condition&& condition) {
  for (const Rule& rule : rules) {
    if (!word.ends_with(rule.suffix)) continue;
    const auto stem = stem_of(word, rule.suffix);
    if (!condition(stem, rule)) break;
    return std::string(stem) + std::string(rule.replacement);
  }
  return std::string(word);
}

std::optional<std::string_view> irregular(std::string_view word) {
  constexpr std::pair<std::string_view, std::string_view> kForms[] = {
      {"sky", "sky"},        {"skies", "sky"},        {"dying", "die"},
      {"lying", "lie"},      {"tying", "tie"},        {"news", "news"},
      {"innings", "inning"}, {"inning", "inning"},    {"outings", "outing"},
      {"outing", "outing"},  {"cannings", "canning"}, {"canning", "canning"},
      {"howe", "howe"},      {"proceed", "proceed"},  {"exceed", "exceed"},
      {"succeed", "succeed"}};
  for (const auto& [form, stem] : kForms) {
    if (word == form) return stem;
  }
  return std::nullopt;
}

std::string plurals(std::string_view word) {
  if (word.ends_with("ies") && word.size() == 4) return std::string(stem_of(word, "s"));
  constexpr Rule kRules[] = {{"sses", "ss"}, {"ies", "i"}, {"ss", "ss"}, {"s", ""}};
  return apply(word, kRules, [](std::string_view, const Rule&) { return true; });
}

/// What -ed or -ing has left is mended.
std::string mend(std::string_view stem) {
  for (const Rule& rule : {Rule{"at", "ate"}, Rule{"bl", "ble"}, Rule{"iz", "ize"}}) {
    if (stem.ends_with(rule.suffix)) return std::string(stem) + "e";
  }
  if (ends_in_double_consonant(stem)) {
    const bool stays = std::string_view("lsz").find(stem.back()) != std::string_view::npos;
    return std::string(stays ? stem : stem.substr(0, stem.size() - 1));
  }
  return std::string(stem) + (measure(stem) == 1 && ends_in_cvc(stem) ? "e" : "");
}

std::string past_and_participle(std::string_view word) {
  if (word.ends_with("ied")) return std::string(stem_of(word, word.size() == 4 ? "d" : "ed"));
  if (word.ends_with("eed")) {
    return std::string(measure(stem_of(word, "eed")) > 0 ? stem_of(word, "d") : word);
  }
  for (const std::string_view suffix : {"ed", "ing"}) {
    if (!word.ends_with(suffix)) continue;
    const auto stem = stem_of(word, suffix);
    if (contains_vowel(stem)) return mend(stem);
  }
  return std::string(word);
}

std::string final_y(std::string_view word) {
  constexpr Rule kRules[] = {{"y", "i"}};
  return apply(word, kRules, [](std::string_view stem, const Rule&) {
    return stem.size() > 1 && consonants(stem).back();
  });
}

bool positive(std::string_view stem, const Rule&) {
  return measure(stem) > 0;
}

std::string double_suffixes(std::string_view word) {
  constexpr Rule kRules[] = {
      {"ational", "ate"}, {"tional", "tion"}, {"enci", "ence"},   {"anci", "ance"},
      {"izer", "ize"},    {"bli", "ble"},     {"alli", "al"},     {"entli", "ent"},
      {"eli", "e"},       {"ousli", "ous"},   {"ization", "ize"}, {"ation", "ate"},
      {"ator", "ate"},    {"alism", "al"},    {"iveness", "ive"}, {"fulness", "ful"},
      {"ousness", "ous"}, {"aliti", "al"},    {"iviti", "ive"},   {"biliti", "ble"},
      {"fulli", "ful"},   {"logi", "log"}};
  std::string current(word);
  if (current.ends_with("alli") && measure(stem_of(current, "alli")) > 0) {
    current.resize(current.size() - 2);
  }
  return apply(current, kRules, [&](std::string_view stem, const Rule& rule) {
    // -logi is judged with its l.
    return rule.suffix == "logi" ? measure(stem_of(current, "ogi")) > 0 : measure(stem) > 0;
  });
}

std::string single_suffixes(std::string_view word) {
  constexpr Rule kRules[] = {{"icate", "ic"}, {"ative", ""}, {"alize", "al"}, {"iciti", "ic"},
                             {"ical", "ic"},  {"ful", ""},   {"ness", ""}};
  return apply(word, kRules, positive);
}

std::string bare_suffixes(std::string_view word) {
  constexpr Rule kRules[] = {{"al", ""},   {"ance", ""}, {"ence", ""}, {"er", ""},    {"ic", ""},
                             {"able", ""}, {"ible", ""}, {"ant", ""},  {"ement", ""}, {"ment", ""},
                             {"ent", ""},  {"ion", ""},  {"ou", ""},   {"ism", ""},   {"ate", ""},
                             {"iti", ""},  {"ous", ""},  {"ive", ""},  {"ize", ""}};
  return apply(word, kRules, [](std::string_view stem, const Rule& rule) {
    return measure(stem) > 1 && (rule.suffix != "ion" || stem.back() == 's' || stem.back() == 't');
  });
}

std::string final_e_and_l(std::string_view word) {
  if (word.ends_with('e')) {
    const auto stem = stem_of(word, "e");
    const int m = measure(stem);
    if (m > 1 || (m == 1 && !ends_in_cvc(stem))) word = stem;
  }
  if (word.ends_with("ll") && measure(stem_of(word, "l")) > 1) word = stem_of(word, "l");
  return std::string(word);
}

}  // namespace

std::string porter_stem(std::string_view word) {
  if (const auto form = irregular(word)) return std::string(*form);
  if (word.size() <= 2) return std::string(word);
  std::string stem = past_and_participle(plurals(word));
  stem = bare_suffixes(single_suffixes(double_suffixes(final_y(stem))));
  return final_e_and_l(stem);
}

}  // namespace lethe::tasks
