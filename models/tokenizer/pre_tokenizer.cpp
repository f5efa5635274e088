// SPDX-License-Identifier: Apache-2.0
#include "models/tokenizer/pre_tokenizer.h"

#include <algorithm>
#include <array>
#include <string>
#include <vector>

#include "harness/base/error.h"
#include "harness/base/names.h"

namespace lethe::models {
namespace {

// White_Space of Unicode. PCRE2's \s also takes U+180E, which left the property in Unicode 6.3. The
// expressions are part of a tokenizer's content hash: another spelling makes stored results stale.
#define LETHE_SPACE                                                                           \
  "\\x{9}-\\x{d}\\x{20}\\x{85}\\x{a0}\\x{1680}\\x{2000}-\\x{200a}\\x{2028}\\x{2029}\\x{202f}" \
  "\\x{205f}\\x{3000}"

// Every run is possessive where giving characters back never helps, because what may follow the run
// is never part of it. So a run of a million letters costs one pass and no backtracking.
constexpr std::string_view kGpt2 =
    "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}++| ?\\p{N}++| ?[^" LETHE_SPACE "\\p{L}\\p{N}]++|[" LETHE_SPACE
    "]+(?![^" LETHE_SPACE "])|[" LETHE_SPACE "]++";

// GPT-2's expression on what remains after every digit has become a word of its own: a space does
// not join a digit, and a run of spaces before one is complete, as at the end of the text.
constexpr std::string_view kSmollm =
    "\\p{N}|'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}++| ?[^" LETHE_SPACE "\\p{L}\\p{N}]++|[" LETHE_SPACE
    "]+(?![^" LETHE_SPACE "\\p{N}])|[" LETHE_SPACE "]++";

// Llama-3 and Qwen-2, by how many digits form a word.
#define LETHE_CASELESS(digits)                                                                \
  "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}++|" digits "| ?[^" LETHE_SPACE   \
  "\\p{L}\\p{N}]++[\\r\\n]*+|[" LETHE_SPACE "]*[\\r\\n]+|[" LETHE_SPACE "]+(?![^" LETHE_SPACE \
  "])|[" LETHE_SPACE "]++"

constexpr std::string_view kLlama3 = LETHE_CASELESS("\\p{N}{1,3}");
constexpr std::string_view kQwen2 = LETHE_CASELESS("\\p{N}");

#undef LETHE_CASELESS
#undef LETHE_SPACE

struct NamedPattern {
  std::string_view name;
  std::string_view pattern;
};

// The names of llama.cpp (tokenizer.ggml.pre) whose expressions these are. Its "default" is none of
// them: it cuts at punctuation first and stands for a tokenizer that the converter did not know.
constexpr std::array<NamedPattern, 27> kPatterns = {
    {{"smollm", kSmollm},    {"gpt-2", kGpt2},
     {"llama-bpe", kLlama3}, {"llama3", kLlama3},
     {"llama-v3", kLlama3},  {"falcon3", kLlama3},
     {"pixtral", kLlama3},   {"midm-2.0", kLlama3},
     {"qwen2", kQwen2},      {"deepseek-r1-qwen", kQwen2},
     {"megrez", kQwen2},     {"stablelm2", kQwen2},
     {"starcoder", kSmollm}, {"refact", kSmollm},
     {"command-r", kSmollm}, {"codeshell", kSmollm},
     {"exaone", kSmollm},    {"minerva-7b", kSmollm},
     {"phi-2", kGpt2},       {"jina-es", kGpt2},
     {"jina-de", kGpt2},     {"mpt", kGpt2},
     {"mellum", kGpt2},      {"a.x-4.0", kGpt2},
     {"trillion", kGpt2},    {"olmo", kGpt2},
     {"jais", kGpt2}}};

std::string_view pattern_of(std::string_view name, std::string_view where) {
  const auto found = std::ranges::find(kPatterns, name, &NamedPattern::name);
  if (found != kPatterns.end()) return found->pattern;
  std::vector<std::string> known;
  for (const NamedPattern& item : kPatterns) known.emplace_back(item.name);
  throw unknown_name(ErrorKind::kModel, std::string(where) + ": pre-tokenizer", name, known);
}

}  // namespace

PreTokenizer::PreTokenizer(std::string_view name, std::string_view where)
    : regex_(std::string(pattern_of(name, where)), where) {}

void PreTokenizer::split(std::string_view text,
                         const std::function<void(std::string_view)>& word) const {
  regex_.split(text, [&](std::string_view part, bool) { word(part); });
}

bool is_llama3(std::string_view name) {
  const auto found = std::ranges::find(kPatterns, name, &NamedPattern::name);
  return found != kPatterns.end() && found->pattern == kLlama3;
}

}  // namespace lethe::models
