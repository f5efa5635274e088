// SPDX-License-Identifier: Apache-2.0
#include "tasks/metrics/chinese_hmm.h"

#include <algorithm>
#include <charconv>
#include <functional>
#include <utility>

#include "harness/base/error.h"
#include "harness/base/text.h"
#include "harness/base/unicode.h"

namespace lethe::tasks {
namespace {

// In alphabetical order: where two states are equally likely, Python's max() takes the later
// letter.
constexpr std::string_view kLetters = "BEMS";
enum State : std::size_t { kB, kE, kM, kS };
/// States that may stand before each state.
constexpr std::array<std::array<State, 2>, 4> kBefore{{{kE, kS}, {kB, kM}, {kB, kM}, {kE, kS}}};
/// jieba's logarithm of zero. Sums with it swallow every other term, as in Python's doubles.
constexpr double kNever = -3.14e100;

/// The literal "P={…}" of jieba's model files: strings to numbers, or to further such literals.
class ModelFile {
 public:
  using Number = std::function<void(std::string_view outer, std::string_view inner, double)>;

  ModelFile(const std::filesystem::path& path, Number number)
      : path_(path), text_(read_text_file(path)), number_(std::move(number)) {
    at_ = text_.find("P={");
    if (at_ == std::string::npos) fail("P={");
    at_ += 2;
    dictionary("");
  }

 private:
  void dictionary(std::string_view outer) {
    expect('{');
    while (!take('}')) {
      const std::string key = quoted();
      expect(':');
      skip_blanks();
      if (outer.empty() && at_ < text_.size() && text_[at_] == '{') {
        dictionary(key);
      } else {
        double value = 0;
        const auto [end, error] =
            std::from_chars(text_.data() + at_, text_.data() + text_.size(), value);
        if (error != std::errc()) fail("a number");
        at_ = static_cast<std::size_t>(end - text_.data());
        number_(outer, key, value);
      }
      if (!take(',')) {
        expect('}');
        return;
      }
    }
  }

  /// 'X' or '\uXXXX'.
  std::string quoted() {
    expect('\'');
    const auto end = text_.find('\'', at_);
    if (end == std::string::npos) fail("a closing quote");
    std::string_view raw(text_.data() + at_, end - at_);
    at_ = end + 1;
    if (!raw.starts_with("\\u")) return std::string(raw);
    std::int32_t code = 0;
    raw.remove_prefix(2);
    const auto [last, error] = std::from_chars(raw.data(), raw.data() + raw.size(), code, 16);
    if (error != std::errc() || last != raw.data() + raw.size()) fail("\\u and four digits");
    std::string bytes;
    append_utf8(bytes, code);
    return bytes;
  }

  void skip_blanks() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\n' || text_[at_] == '\r')) {
      ++at_;
    }
  }
  bool take(char c) {
    skip_blanks();
    if (at_ >= text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }
  void expect(char c) {
    if (!take(c)) fail(std::string("'") + c + "'");
  }
  [[noreturn]] void fail(const std::string& expected) const {
    const auto upto = std::string_view(text_).substr(0, at_);
    const auto line = 1 + std::count(upto.begin(), upto.end(), '\n');
    throw Error(ErrorKind::kData, path_.string() + ", line " + std::to_string(line) +
                                      ": expected " + expected + " as in jieba 0.42.1");
  }

  std::filesystem::path path_;
  std::string text_;
  Number number_;
  std::size_t at_ = 0;
};

std::size_t state_of(std::string_view letter, const std::filesystem::path& path) {
  const auto state = letter.size() == 1 ? kLetters.find(letter) : std::string_view::npos;
  if (state == std::string_view::npos) {
    throw Error(ErrorKind::kData, path.string() + ": expected the states B, E, M and S, found '" +
                                      std::string(letter) + "'");
  }
  return state;
}

bool is_ascii_alnum(char32_t c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

bool is_ascii_digit(char32_t c) {
  return c >= '0' && c <= '9';
}

}  // namespace

bool is_jieba_ideograph(char32_t c) {
  return c >= 0x4e00 && c <= 0x9fd5;
}

ChineseHmm::ChineseHmm(const std::filesystem::path& folder) {
  for (auto& row : transition_) row.fill(kNever);
  const auto start = folder / "prob_start.py";
  ModelFile(start, [&](std::string_view, std::string_view to, double value) {
    start_[state_of(to, start)] = value;
  });
  const auto transitions = folder / "prob_trans.py";
  ModelFile(transitions, [&](std::string_view from, std::string_view to, double value) {
    transition_[state_of(from, transitions)][state_of(to, transitions)] = value;
  });
  const auto emissions = folder / "prob_emit.py";
  ModelFile(emissions, [&](std::string_view state, std::string_view character, double value) {
    const auto c = static_cast<char32_t>(code_point_at(character, 0).value);
    const auto at = emission_.try_emplace(c, PerState{kNever, kNever, kNever, kNever}).first;
    at->second[state_of(state, emissions)] = value;
  });
}

void ChineseHmm::cut_ideographs(std::u32string_view text,
                                std::vector<std::u32string_view>& words) const {
  const PerState unseen{kNever, kNever, kNever, kNever};
  const auto emission = [&](char32_t c) -> const PerState& {
    const auto found = emission_.find(c);
    return found == emission_.end() ? unseen : found->second;
  };
  PerState likelihood{};
  for (std::size_t state = 0; state < kStates; ++state) {
    likelihood[state] = start_[state] + emission(text[0])[state];
  }
  std::vector<std::array<State, kStates>> origin(text.size());
  for (std::size_t i = 1; i < text.size(); ++i) {
    const PerState& emitted = emission(text[i]);
    PerState next{};
    for (std::size_t state = 0; state < kStates; ++state) {
      // The order of additions is jieba's: its last bit decides ties.
      const auto along = [&](State before) {
        return likelihood[before] + transition_[before][state] + emitted[state];
      };
      const auto [early, late] = kBefore[state];
      const State from = along(late) >= along(early) ? late : early;
      origin[i][state] = from;
      next[state] = along(from);
    }
    likelihood = next;
  }
  std::vector<State> states(text.size());
  State state = likelihood[kS] >= likelihood[kE] ? kS : kE;
  for (std::size_t i = text.size(); i-- > 0;) {
    states[i] = state;
    state = origin[i][state];
  }
  std::size_t begin = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (states[i] == kB) begin = i;
    if (states[i] == kE) words.push_back(text.substr(begin, i + 1 - begin));
    if (states[i] == kS) words.push_back(text.substr(i, 1));
  }
}

void ChineseHmm::cut(std::u32string_view text, std::vector<std::u32string_view>& words) const {
  const auto run = [&](std::size_t at, auto&& belongs) {
    while (at < text.size() && belongs(text[at])) ++at;
    return at;
  };
  for (std::size_t at = 0; at < text.size();) {
    std::size_t end = run(at, is_jieba_ideograph);
    if (end > at) {
      cut_ideographs(text.substr(at, end - at), words);
    } else {
      end = run(at, is_ascii_alnum);
      if (end > at) {
        if (end < text.size() && text[end] == '.') {
          const std::size_t fraction = run(end + 1, is_ascii_digit);
          if (fraction > end + 1) end = fraction;
        }
        if (end < text.size() && text[end] == '%') ++end;
      } else {
        end = run(at, [](char32_t c) { return !is_ascii_alnum(c) && !is_jieba_ideograph(c); });
      }
      words.push_back(text.substr(at, end - at));
    }
    at = end;
  }
}

}  // namespace lethe::tasks
