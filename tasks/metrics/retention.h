// SPDX-License-Identifier: Apache-2.0
// How long tokens stay in a cache (TOVA, arXiv 2401.06104, section 7.3 and appendices G and H).
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

namespace lethe::tasks {

/// When each token of a text left one place: a layer, or a KV head of one.
class TokenLives {
 public:
  explicit TokenLives(std::int64_t tokens) : last_(static_cast<std::size_t>(tokens), kStayed) {}

  /// `position` was dropped after the attention of token `step`. Throws Error(kData) for positions
  /// that are not there, or not any more.
  void left(std::int64_t step, std::int64_t position);

  std::int64_t tokens() const { return static_cast<std::int64_t>(last_.size()); }
  /// The last step whose query saw the token: that of the text where it stayed to the end.
  std::int64_t last_step(std::int64_t position) const;
  /// Steps in which the token was attended to, its own included. Over a text of T tokens, with k
  /// kept, their mean is (1/T) sum of min(t, k + 1) whatever the policy (the row "Avg." of the
  /// paper's Table 2).
  std::int64_t lifetime(std::int64_t position) const { return last_step(position) - position + 1; }
  double mean_lifetime() const;
  /// Share of the kept tokens that are among the `budget` newest, averaged over the steps from the
  /// first eviction on. The paper gives 73 to 76 % and no definition; this is the natural reading.
  /// Nothing where no token left.
  std::optional<double> recency_share(std::int64_t budget) const;

 private:
  static constexpr std::int64_t kStayed = -1;
  std::vector<std::int64_t> last_;  // by position
};

}  // namespace lethe::tasks
