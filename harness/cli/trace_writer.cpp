// SPDX-License-Identifier: Apache-2.0
#include "harness/cli/trace_writer.h"

#include <algorithm>
#include <cmath>
#include <tuple>
#include <utility>

#include "harness/base/error.h"
#include "tasks/metrics/perplexity.h"

namespace lethe::cli {

namespace {

json::value head_value(int head) {
  return head < 0 ? json::value(nullptr) : json::value(head);
}

json::value number_or_null(double value) {
  return std::isfinite(value) ? json::value(value) : json::value(nullptr);
}

}  // namespace

void TraceWriter::evicted(std::int64_t step, int layer, int head, std::int64_t position,
                          double margin) {
  LETHE_ASSERT(step >= next_, "an eviction was reported after its token was scored");
  waiting_[step].push_back({layer, head, position, margin});
}

void TraceWriter::kept(int layer, int head, std::span<const std::int64_t> positions) {
  kept_.push_back({{"type", "kept"},
                   {"layer", layer},
                   {"head", head_value(head)},
                   {"positions", json::array(positions.begin(), positions.end())}});
}

void TraceWriter::scored(std::int64_t step, double nll) {
  nll_.push_back(nll);
  write_token(step, nll);
}

void TraceWriter::write_token(std::int64_t step, std::optional<double> nll) {
  LETHE_ASSERT(step == next_, "tokens are not scored in order");
  next_ = step + 1;
  write({{"type", "token"},
         {"i", step},
         {"id", tokens_[static_cast<std::size_t>(step)]},
         {"nll", nll ? number_or_null(*nll) : json::value(nullptr)}});
  const auto found = waiting_.find(step);
  if (found == waiting_.end()) return;
  auto evictions = std::move(found->second);
  waiting_.erase(found);
  std::stable_sort(evictions.begin(), evictions.end(), [](const auto& left, const auto& right) {
    return std::tie(left.layer, left.head) < std::tie(right.layer, right.head);
  });
  for (const auto& eviction : evictions) {
    write({{"type", "evict"},
           {"i", step},
           {"layer", eviction.layer},
           {"head", head_value(eviction.head)},
           {"position", eviction.position},
           {"margin", number_or_null(eviction.margin)}});
  }
}

void TraceWriter::finish(double seconds) {
  write_token(next_, std::nullopt);
  for (const auto& line : kept_) write(line);
  const auto sum = tasks::sum_nll(nll_);
  write({{"type", "summary"},
         {"tokens", tokens_.size()},
         {"mean_nll", number_or_null(sum.nats / static_cast<double>(sum.tokens))},
         {"ppl", number_or_null(tasks::perplexity(sum))},
         {"seconds", seconds}});
}

void TraceWriter::write(const json::object& line) {
  out_ << json::serialize(line) << '\n';
}

}  // namespace lethe::cli
