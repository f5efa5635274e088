// SPDX-License-Identifier: Apache-2.0
#include "tasks/metrics/lcs.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <numeric>

namespace lethe::tasks {
namespace {

constexpr std::size_t kWordBits = 64;
/// Rows kept whole while they take no more than this many machine words (2 MiB).
constexpr std::size_t kWordsKept = std::size_t{1} << 18;

}  // namespace

WordId WordNumbers::operator()(const std::string& word) {
  return numbers_.emplace(word, static_cast<WordId>(numbers_.size())).first->second;
}

LcsColumns::LcsColumns(std::span<const WordId> columns)
    : columns_(columns.begin(), columns.end()),
      words_((columns.size() + kWordBits - 1) / kWordBits) {
  std::vector<std::size_t> order(columns.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::ranges::stable_sort(order, {}, [&](std::size_t place) { return columns[place]; });
  for (const std::size_t place : order) {
    if (elements_.empty() || elements_.back() != columns[place]) {
      elements_.push_back(columns[place]);
      starts_.push_back(entries_.size());
    }
    const auto word = static_cast<std::uint32_t>(place / kWordBits);
    if (entries_.size() == starts_.back() || entries_.back().word != word) {
      entries_.push_back({word, 0});
    }
    entries_.back().mask |= std::uint64_t{1} << (place % kWordBits);
  }
  starts_.push_back(entries_.size());
}

std::span<const LcsColumns::Entry> LcsColumns::entries(WordId element) const {
  const auto found = std::ranges::lower_bound(elements_, element);
  if (found == elements_.end() || *found != element) return {};
  const auto at = static_cast<std::size_t>(found - elements_.begin());
  return std::span(entries_).subspan(starts_[at], starts_[at + 1] - starts_[at]);
}

// Row i is kept as bits: bit j is clear where T[i][j+1] = T[i][j] + 1. The step to the next row is
// Crochemore's (2001), bits' = (bits + (bits & mask)) | (bits & ~mask), done only in the words that
// hold a match or that a carry reaches.
void LcsColumns::advance(std::uint64_t* bits, WordId row) const {
  std::uint64_t carry = 0;
  std::size_t word = 0;
  for (const Entry& entry : entries(row)) {
    for (; carry != 0 && word < entry.word; ++word) {
      const std::uint64_t sum = bits[word] + carry;
      carry = sum == 0 ? 1 : 0;
      bits[word] |= sum;
    }
    word = entry.word;
    const std::uint64_t old = bits[word];
    const std::uint64_t sum = old + (old & entry.mask);
    const std::uint64_t carried = sum + carry;
    carry = static_cast<std::uint64_t>(sum < old || carried < sum);
    bits[word] = carried | (old & ~entry.mask);
    ++word;
  }
  for (; carry != 0 && word < words_; ++word) {
    const std::uint64_t sum = bits[word] + carry;
    carry = sum == 0 ? 1 : 0;
    bits[word] |= sum;
  }
}

/// T[i][columns]: the clear bits below.
std::size_t LcsColumns::length_below(const std::uint64_t* bits, std::size_t columns) const {
  std::size_t length = 0;
  const std::size_t whole = columns / kWordBits;
  for (std::size_t word = 0; word < whole; ++word) {
    length += static_cast<std::size_t>(std::popcount(~bits[word]));
  }
  if (const std::size_t rest = columns % kWordBits; rest > 0) {
    const std::uint64_t below = (std::uint64_t{1} << rest) - 1;
    length += static_cast<std::size_t>(std::popcount(~bits[whole] & below));
  }
  return length;
}

std::size_t LcsColumns::length(std::span<const WordId> rows) const {
  Bits bits(words_, ~std::uint64_t{0});
  for (const WordId row : rows) advance(bits.data(), row);
  return length_below(bits.data(), columns_.size());
}

LcsWalk LcsColumns::walk(std::span<const WordId> rows) const {
  LcsWalk walk;
  if (rows.empty() || columns_.empty()) return walk;
  // The way back needs every row. Where all of them are too many, only every `block`-th is kept,
  // and the rows between two of these are made again when the walk gets there.
  const std::size_t block =
      rows.size() * words_ <= kWordsKept
          ? rows.size()
          : static_cast<std::size_t>(std::sqrt(static_cast<double>(rows.size()))) + 1;
  std::vector<Bits> kept;
  Bits bits(words_, ~std::uint64_t{0});
  for (std::size_t i = 0; i < rows.size(); ++i) {
    if (i % block == 0) kept.push_back(bits);
    if (kept.size() * block < rows.size()) advance(bits.data(), rows[i]);
  }
  // made[r] is row `first` + r.
  Bits made((block + 1) * words_);
  std::size_t first = rows.size();
  const auto row_bits = [&](std::size_t i) {
    if (i < first) {
      first = (kept.size() - 1) * block;
      std::ranges::copy(kept.back(), made.begin());
      kept.pop_back();
      const std::size_t last = std::min(rows.size(), first + block);
      for (std::size_t r = first; r < last; ++r) {
        std::uint64_t* next = &made[(r - first + 1) * words_];
        std::copy_n(next - words_, words_, next);
        advance(next, rows[r]);
      }
    }
    return &made[(i - first) * words_];
  };
  const auto grows = [](const std::uint64_t* row, std::size_t column) {
    return (~row[column / kWordBits] >> (column % kWordBits)) & 1;
  };

  std::size_t i = rows.size();
  std::size_t j = columns_.size();
  // Row i leaves the window when row i - 1 is asked for at its edge, so its own bits are copied.
  row_bits(i - 1);
  Bits here(words_);
  const auto copy_here = [&](const std::uint64_t* from) {
    std::copy_n(from, words_, here.begin());
  };
  copy_here(row_bits(i));
  std::size_t length = length_below(here.data(), j);
  const std::uint64_t* above = row_bits(i - 1);
  std::size_t length_above = length_below(above, j);
  const auto leave_row = [&] {
    --i;
    length = length_above;
    if (i == 0) return;
    copy_here(above);
    above = row_bits(i - 1);
    length_above = length_below(above, j);
  };
  while (i > 0 && j > 0) {
    ++walk.steps;
    if (rows[i - 1] == columns_[j - 1]) {
      walk.rows.push_back(i - 1);
      --j;
      length_above -= grows(above, j);
      leave_row();
    } else if (const std::size_t left = length - grows(here.data(), j - 1); left > length_above) {
      --j;
      length = left;
      length_above -= grows(above, j);
    } else {
      leave_row();
    }
  }
  return walk;
}

}  // namespace lethe::tasks
