// SPDX-License-Identifier: Apache-2.0
#include "tasks/metrics/code_similarity.h"

#include <algorithm>
#include <unordered_map>
#include <vector>

#include "tasks/metrics/lcs.h"
#include "tasks/metrics/python_text.h"

namespace lethe::tasks {
namespace {

constexpr std::size_t kPopularFrom = 200;  // characters of b

struct Block {
  std::size_t a, b, size;
};

struct Window {
  std::size_t a_begin, a_end, b_begin, b_end;
};

/// The matching blocks of difflib, by their definition in Python's documentation.
class BlockMatcher {
 public:
  BlockMatcher(std::u32string_view a, std::u32string_view b)
      : a_(a), b_(b), ending_(b.size() + 1), before_(b.size() + 1) {
    for (std::size_t j = 0; j < b.size(); ++j) places_[b[j]].push_back(j);
    if (b.size() >= kPopularFrom) {
      const std::size_t most = b.size() / 100 + 1;
      std::erase_if(places_, [&](const auto& entry) { return entry.second.size() > most; });
    }
  }

  /// Number of characters in blocks.
  std::size_t matched() {
    std::size_t sum = 0;
    std::vector<Window> waiting{{0, a_.size(), 0, b_.size()}};
    while (!waiting.empty()) {
      const Window window = waiting.back();
      waiting.pop_back();
      const Block block = longest(window);
      if (block.size == 0) continue;
      sum += block.size;
      waiting.push_back({window.a_begin, block.a, window.b_begin, block.b});
      waiting.push_back({block.a + block.size, window.a_end, block.b + block.size, window.b_end});
    }
    return sum;
  }

 private:
  /// The longest block without frequent characters, the earliest in a and then in b; widened by
  /// whatever is equal beside it.
  Block longest(const Window& window) {
    Block best{window.a_begin, window.b_begin, 0};
    if (window.b_begin == window.b_end) return best;
    for (std::size_t i = window.a_begin; i < window.a_end; ++i) extend(window, i, best);
    for (const std::size_t j : touched_) before_[j + 1] = 0;
    touched_.clear();
    while (best.a > window.a_begin && best.b > window.b_begin && a_[best.a - 1] == b_[best.b - 1]) {
      --best.a;
      --best.b;
      ++best.size;
    }
    while (best.a + best.size < window.a_end && best.b + best.size < window.b_end &&
           a_[best.a + best.size] == b_[best.b + best.size]) {
      ++best.size;
    }
    return best;
  }

  /// before_[j + 1]: length of the block that ends with the previous character of a and b[j].
  void extend(const Window& window, std::size_t i, Block& best) {
    now_.clear();
    if (const auto found = places_.find(a_[i]); found != places_.end()) {
      const auto& places = found->second;
      for (auto at = std::ranges::lower_bound(places, window.b_begin);
           at != places.end() && *at < window.b_end; ++at) {
        const std::size_t size = before_[*at] + 1;
        ending_[*at + 1] = size;
        now_.push_back(*at);
        if (size > best.size) best = {i + 1 - size, *at + 1 - size, size};
      }
    }
    for (const std::size_t j : touched_) before_[j + 1] = 0;
    for (const std::size_t j : now_) before_[j + 1] = ending_[j + 1];
    std::swap(touched_, now_);
  }

  std::u32string_view a_;
  std::u32string_view b_;
  std::unordered_map<char32_t, std::vector<std::size_t>> places_;
  std::vector<std::size_t> ending_, before_;
  std::vector<std::size_t> touched_, now_;
};

double ratio(std::size_t common, std::size_t both) {
  return both == 0 ? 1 : 2.0 * static_cast<double>(common) / static_cast<double>(both);
}

}  // namespace

std::string_view first_code_line(std::string_view prediction) {
  prediction.remove_prefix(std::min(prediction.find_first_not_of('\n'), prediction.size()));
  while (true) {
    const auto end = prediction.find('\n');
    const auto line = prediction.substr(0, end);
    const auto has = [&](std::string_view part) {
      return line.find(part) != std::string_view::npos;
    };
    if (!has("`") && !has("#") && !has("//")) return line;
    if (end == std::string_view::npos) return {};
    prediction.remove_prefix(end + 1);
  }
}

double difflib_ratio(std::string_view a, std::string_view b) {
  const std::u32string ours = to_code_points(a);
  const std::u32string theirs = to_code_points(b);
  return ratio(BlockMatcher(ours, theirs).matched(), ours.size() + theirs.size());
}

double levenshtein_ratio(std::string_view a, std::string_view b) {
  const auto ids = [](std::string_view text) {
    const std::u32string points = to_code_points(text);
    return WordIds(points.begin(), points.end());
  };
  const WordIds ours = ids(a);
  const WordIds theirs = ids(b);
  return ratio(LcsColumns(theirs).length(ours), ours.size() + theirs.size());
}

double fuzz_ratio(std::string_view a, std::string_view b,
                  double (*similarity)(std::string_view, std::string_view)) {
  if (a == b) return 1;
  if (a.empty() || b.empty()) return 0;
  return round_half_even(100 * similarity(a, b)) / 100;
}

}  // namespace lethe::tasks
