// SPDX-License-Identifier: Apache-2.0
#include "models/tokenizer/pre_tokenizer.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <algorithm>
#include <array>
#include <vector>

#include "harness/base/error.h"
#include "harness/base/names.h"

namespace lethe::models {
namespace {

// White_Space of Unicode. PCRE2's \s also takes U+180E, which left the property in Unicode 6.3.
#define LETHE_SPACE                                                                           \
  "\\x{9}-\\x{d}\\x{20}\\x{85}\\x{a0}\\x{1680}\\x{2000}-\\x{200a}\\x{2028}\\x{2029}\\x{202f}" \
  "\\x{205f}\\x{3000}"

// Every run is possessive: giving characters back never helps, because what may follow a run is
// never part of it. So a run of a million letters costs one pass and no backtracking.
struct NamedPattern {
  std::string_view name;
  std::string_view pattern;
};

constexpr std::string_view kGpt2 =
    "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}++| ?\\p{N}++| ?[^" LETHE_SPACE "\\p{L}\\p{N}]++|[" LETHE_SPACE
    "]+(?![^" LETHE_SPACE "])|[" LETHE_SPACE "]++";

// GPT-2's expression on what remains after every digit has become a word of its own: a space does
// not join a digit, and a run of spaces before one is complete, as at the end of the text.
constexpr std::string_view kSmollm =
    "\\p{N}|'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}++| ?[^" LETHE_SPACE "\\p{L}\\p{N}]++|[" LETHE_SPACE
    "]+(?![^" LETHE_SPACE "\\p{N}])|[" LETHE_SPACE "]++";

#undef LETHE_SPACE

constexpr std::array<NamedPattern, 3> kPatterns = {
    {{"smollm", kSmollm}, {"gpt-2", kGpt2}, {"default", kGpt2}}};

struct FreeCode {
  void operator()(pcre2_code* code) const { pcre2_code_free(code); }
};
struct FreeMatchData {
  void operator()(pcre2_match_data* data) const { pcre2_match_data_free(data); }
};

std::string pcre2_message(int code) {
  std::array<PCRE2_UCHAR, 256> text{};
  pcre2_get_error_message(code, text.data(), text.size());
  return reinterpret_cast<const char*>(text.data());
}

}  // namespace

struct PreTokenizer::Compiled {
  std::unique_ptr<pcre2_code, FreeCode> code;
};

PreTokenizer::PreTokenizer(std::string_view name, std::string_view where)
    : compiled_(std::make_unique<Compiled>()) {
  const auto found = std::ranges::find(kPatterns, name, &NamedPattern::name);
  if (found == kPatterns.end()) {
    std::vector<std::string> known;
    for (const NamedPattern& item : kPatterns) known.emplace_back(item.name);
    throw unknown_name(ErrorKind::kModel, std::string(where) + ": pre-tokenizer", name, known);
  }
  pattern_ = found->pattern;
  int code = 0;
  PCRE2_SIZE offset = 0;
  compiled_->code.reset(pcre2_compile(reinterpret_cast<PCRE2_SPTR>(pattern_.data()),
                                      pattern_.size(), PCRE2_UTF | PCRE2_UCP, &code, &offset,
                                      nullptr));
  LETHE_ASSERT(compiled_->code != nullptr, pcre2_message(code));
  // Without JIT support matching is slower and otherwise the same.
  pcre2_jit_compile(compiled_->code.get(), PCRE2_JIT_COMPLETE);
}

PreTokenizer::~PreTokenizer() = default;
PreTokenizer::PreTokenizer(PreTokenizer&&) noexcept = default;
PreTokenizer& PreTokenizer::operator=(PreTokenizer&&) noexcept = default;

void PreTokenizer::split(std::string_view text,
                         const std::function<void(std::string_view)>& word) const {
  const std::unique_ptr<pcre2_match_data, FreeMatchData> match(pcre2_match_data_create(1, nullptr));
  LETHE_ASSERT(match != nullptr, "out of memory");
  const PCRE2_SIZE* range = pcre2_get_ovector_pointer(match.get());
  const auto* subject = reinterpret_cast<PCRE2_SPTR>(text.data());
  std::size_t at = 0;
  while (at < text.size()) {
    // The text was validated once; checking it again at every word would be quadratic.
    const int found = pcre2_match(compiled_->code.get(), subject, text.size(), at,
                                  PCRE2_NO_UTF_CHECK | PCRE2_ANCHORED, match.get(), nullptr);
    LETHE_ASSERT(found > 0, pcre2_message(found));
    word(text.substr(at, range[1] - at));
    at = range[1];
  }
}

}  // namespace lethe::models
