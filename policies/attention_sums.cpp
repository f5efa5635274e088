// SPDX-License-Identifier: Apache-2.0
#include "policies/attention_sums.h"

#include "harness/base/state_file.h"

namespace lethe::policies {

void AttentionSums::observe(const CacheView& view) {
  sums_.resize(view.heads.size());
  for (std::size_t h = 0; h < view.heads.size(); ++h) {
    const HeadCache& cache = view.heads[h];
    auto& sums = sums_[h];
    sums.resize(cache.positions.size(), 0.0);  // new tokens come last and start at zero
    row_.resize(sums.size());
    for (int row = 0; row < cache.attention.rows(); ++row) {
      cache.attention.mean_over_heads(row, row_);
      for (std::size_t i = 0; i < sums.size(); ++i) sums[i] += row_[i];
    }
  }
}

void AttentionSums::applied(const EvictionPlan& plan) {
  for (std::size_t h = 0; h < plan.victims.size(); ++h) {
    const auto& victims = plan.victims[h];
    if (victims.empty()) continue;
    // One pass closes all the gaps: a cut of a block may take hundreds of tokens at once.
    auto& sums = sums_[h];
    std::size_t to = victims.front(), next = 0;
    for (std::size_t from = to; from < sums.size(); ++from) {
      if (next < victims.size() && victims[next] == from) {
        ++next;
      } else {
        sums[to++] = sums[from];
      }
    }
    sums.resize(to);
  }
}

void AttentionSums::save(StateWriter& out, const std::string& prefix) const {
  for (std::size_t h = 0; h < sums_.size(); ++h) out.put(prefix + std::to_string(h), sums_[h]);
}

void AttentionSums::load(const StateReader& in, const std::string& prefix) {
  sums_.clear();
  for (std::size_t h = 0; in.has(prefix + std::to_string(h)); ++h) {
    sums_.push_back(in.get<double>(prefix + std::to_string(h)));
  }
}

}  // namespace lethe::policies
