// SPDX-License-Identifier: Apache-2.0
#include "models/tokenizer/regex.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <array>

#include "harness/base/error.h"
#include "harness/base/unicode.h"

namespace lethe::models {
namespace {

struct FreeCode {
  void operator()(pcre2_code* code) const { pcre2_code_free(code); }
};
struct FreeMatchData {
  void operator()(pcre2_match_data* data) const { pcre2_match_data_free(data); }
};
struct FreeMatchContext {
  void operator()(pcre2_match_context* context) const { pcre2_match_context_free(context); }
};

// A match may go back over a run of white space once, so runs of many megabytes stay within it.
constexpr std::uint32_t kMatchLimit = 50'000'000;

std::string pcre2_message(int code) {
  std::array<PCRE2_UCHAR, 256> text{};
  pcre2_get_error_message(code, text.data(), text.size());
  return reinterpret_cast<const char*>(text.data());
}

}  // namespace

struct Regex::Compiled {
  std::unique_ptr<pcre2_code, FreeCode> code;
  std::unique_ptr<pcre2_match_context, FreeMatchContext> context;
};

Regex::Regex(std::string pattern, std::string_view where)
    : pattern_(std::move(pattern)), where_(where), compiled_(std::make_unique<Compiled>()) {
  int code = 0;
  PCRE2_SIZE offset = 0;
  compiled_->code.reset(pcre2_compile(reinterpret_cast<PCRE2_SPTR>(pattern_.data()),
                                      pattern_.size(), PCRE2_UTF | PCRE2_UCP, &code, &offset,
                                      nullptr));
  if (!compiled_->code) {
    throw Error(ErrorKind::kModel, where_ + ": expected a regular expression, found '" + pattern_ +
                                       "': " + pcre2_message(code) + " at byte " +
                                       std::to_string(offset));
  }
  compiled_->context.reset(pcre2_match_context_create(nullptr));
  LETHE_ASSERT(compiled_->context != nullptr, "out of memory");
  pcre2_set_match_limit(compiled_->context.get(), kMatchLimit);
  // Without JIT support matching is slower and otherwise the same.
  pcre2_jit_compile(compiled_->code.get(), PCRE2_JIT_COMPLETE);
}

Regex::~Regex() = default;
Regex::Regex(Regex&&) noexcept = default;
Regex& Regex::operator=(Regex&&) noexcept = default;

void Regex::split(std::string_view text,
                  const std::function<void(std::string_view, bool)>& part) const {
  const std::unique_ptr<pcre2_match_data, FreeMatchData> match(pcre2_match_data_create(1, nullptr));
  LETHE_ASSERT(match != nullptr, "out of memory");
  const PCRE2_SIZE* range = pcre2_get_ovector_pointer(match.get());
  const auto* subject = reinterpret_cast<PCRE2_SPTR>(text.data());
  // The text was validated once; checking it again at every match would be quadratic.
  std::uint32_t options = PCRE2_NO_UTF_CHECK;
  std::size_t done = 0;    // everything before it has been handed out
  std::size_t search = 0;  // beyond `done` only behind an empty match
  while (search < text.size()) {
    const int found = pcre2_match(compiled_->code.get(), subject, text.size(), search, options,
                                  match.get(), compiled_->context.get());
    if (found == PCRE2_ERROR_JIT_STACKLIMIT) {
      options |= PCRE2_NO_JIT;  // the interpreter keeps its stack on the heap
      continue;
    }
    if (found == PCRE2_ERROR_NOMATCH) break;
    if (found <= 0) {
      throw Error(ErrorKind::kModel, where_ + ": the regular expression '" + pattern_ +
                                         "' failed on a text of " + std::to_string(text.size()) +
                                         " bytes: " + pcre2_message(found));
    }
    const std::size_t begin = range[0];
    const std::size_t end = range[1];
    if (begin > done) part(text.substr(done, begin - done), false);
    if (end > begin) part(text.substr(begin, end - begin), true);
    done = std::max(end, begin);
    search = done;
    if (end <= begin && search < text.size()) search += utf8_length(text[search]);
  }
  if (done < text.size()) part(text.substr(done), false);
}

}  // namespace lethe::models
