// SPDX-License-Identifier: Apache-2.0
#include "tasks/metrics/chinese_words.h"

#include <cmath>

#include "harness/base/error.h"
#include "harness/base/spec.h"
#include "harness/base/text.h"
#include "tasks/metrics/python_text.h"

namespace lethe::tasks {
namespace {

constexpr std::uint32_t kNoNode = 0;  // the root is nobody's child

std::uint64_t edge(std::uint32_t node, char32_t c) {
  return (std::uint64_t{node} << 32) | c;
}

bool is_ascii_alnum(char32_t c) {
  return c < 0x80 && c != '_' && is_python_word(c);
}

/// What is looked up in the dictionary; everything else stands alone.
bool in_block(char32_t c) {
  return is_jieba_ideograph(c) || is_ascii_alnum(c) ||
         std::u32string_view(U"+#&._%-").find(c) != std::u32string_view::npos;
}

/// Characters outside the blocks: "\r\n" together, each other one by itself.
void cut_outside(std::u32string_view text, std::vector<std::u32string_view>& words) {
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t size = text.substr(at).starts_with(U"\r\n") ? 2 : 1;
    words.push_back(text.substr(at, size));
    at += size;
  }
}

}  // namespace

ChineseWords::ChineseWords(const std::filesystem::path& folder) : model_(folder / "finalseg") {
  const auto path = folder / "dict.txt";
  const std::string text = read_text_file(path);
  nodes_.reserve(500'000);
  children_.reserve(500'000);
  nodes_.emplace_back();
  std::int64_t total = 0;
  int number = 0;
  for (std::string_view rest = text; !rest.empty();) {
    ++number;
    const auto line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(line.size() + 1, rest.size()));
    const auto blank = line.find(' ');
    const auto second = line.find(' ', blank + 1);
    const auto frequency = blank == std::string_view::npos
                               ? std::nullopt
                               : parse_integer(line.substr(blank + 1, second - blank - 1));
    if (!frequency || *frequency < 0 || blank == 0) {
      throw Error(ErrorKind::kData, path.string() + ", line " + std::to_string(number) +
                                        ": expected 'WORD FREQUENCY CLASS', found '" +
                                        std::string(line) + "'");
    }
    std::uint32_t node = 0;
    for (const char32_t c : to_code_points(line.substr(0, blank))) {
      const auto next = static_cast<std::uint32_t>(nodes_.size());
      const auto [at, added] = children_.emplace(edge(node, c), next);
      if (added) nodes_.emplace_back();
      node = at->second;
    }
    // A word that stands twice has its last frequency, and both count in the total.
    nodes_[node].frequency = *frequency;
    total += *frequency;
  }
  const double log_total = std::log(static_cast<double>(total));
  unseen_ = std::log(1.0) - log_total;
  for (Node& node : nodes_) {
    const auto count = std::max<std::int64_t>(node.frequency, 1);
    node.log_share = std::log(static_cast<double>(count)) - log_total;
  }
}

std::uint32_t ChineseWords::child(std::uint32_t node, char32_t c) const {
  const auto found = children_.find(edge(node, c));
  return found == children_.end() ? kNoNode : found->second;
}

bool ChineseWords::is_word(std::u32string_view text) const {
  std::uint32_t node = 0;
  for (const char32_t c : text) {
    node = child(node, c);
    if (node == kNoNode) return false;
  }
  return nodes_[node].frequency > 0;
}

/// Where the word that begins at each place ends on the most likely path through the dictionary's
/// words. Of equally likely ones jieba takes the longest.
std::vector<std::size_t> ChineseWords::best_ends(std::u32string_view block) const {
  std::vector<std::size_t> ends(block.size());
  std::vector<double> likelihood(block.size() + 1, 0);
  for (std::size_t begin = block.size(); begin-- > 0;) {
    bool any = false;
    const auto offer = [&](std::size_t end, double share) {
      const double value = share + likelihood[end];
      if (any && value < likelihood[begin]) return;
      any = true;
      likelihood[begin] = value;
      ends[begin] = end;
    };
    std::uint32_t node = 0;
    for (std::size_t end = begin; end < block.size();) {
      node = child(node, block[end]);
      if (node == kNoNode) break;
      ++end;
      if (nodes_[node].frequency > 0) offer(end, nodes_[node].log_share);
    }
    if (!any) offer(begin + 1, unseen_);
  }
  return ends;
}

void ChineseWords::cut_block(std::u32string_view block, bool hmm,
                             std::vector<std::u32string_view>& words) const {
  const auto ends = best_ends(block);
  // Characters that the path left single: the model decides about them, or, without it, ASCII
  // letters and digits stay together.
  std::size_t waiting = 0;
  const auto flush = [&](std::size_t end) {
    const auto rest = block.substr(waiting, end - waiting);
    if (hmm && rest.size() > 1 && !is_word(rest)) {
      model_.cut(rest, words);
    } else if (hmm) {
      for (std::size_t i = 0; i < rest.size(); ++i) words.push_back(rest.substr(i, 1));
    } else if (!rest.empty()) {
      words.push_back(rest);
    }
  };
  for (std::size_t at = 0; at < block.size();) {
    const std::size_t end = ends[at];
    const bool waits = end == at + 1 && (hmm || is_ascii_alnum(block[at]));
    if (!waits) {
      flush(at);
      words.push_back(block.substr(at, end - at));
      waiting = end;
    }
    at = end;
  }
  flush(block.size());
}

std::vector<std::string> ChineseWords::cut(std::string_view text, bool hmm) const {
  const std::u32string points = to_code_points(text);
  const std::u32string_view all = points;
  std::vector<std::u32string_view> words;
  for (std::size_t at = 0; at < all.size();) {
    const bool inside = in_block(all[at]);
    std::size_t end = at;
    while (end < all.size() && in_block(all[end]) == inside) ++end;
    const auto piece = all.substr(at, end - at);
    if (inside) {
      cut_block(piece, hmm, words);
    } else {
      cut_outside(piece, words);
    }
    at = end;
  }
  std::vector<std::string> out;
  out.reserve(words.size());
  for (const auto word : words) out.push_back(to_utf8(word));
  return out;
}

}  // namespace lethe::tasks
