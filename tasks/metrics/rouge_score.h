// SPDX-License-Identifier: Apache-2.0
// ROUGE as Google's package rouge_score 0.1.2 computes it: SCROLLS', SQuALITY's and
// InfiniteBench's.
#pragma once

#include <array>
#include <string>
#include <string_view>
#include <vector>

namespace lethe::tasks {

struct RougeParts {
  double precision = 0;
  double recall = 0;
  double f = 0;
};

/// The four types of the package, in the order of kRougeTypes.
using RougeTypes = std::array<RougeParts, 4>;
inline constexpr std::array<const char*, 4> kRougeTypes{"rouge1", "rouge2", "rougeL", "rougeLsum"};
enum RougeType : std::size_t { kRouge1, kRouge2, kRougeL, kRougeLsum };

/// Scores of a prediction against one reference. Words are runs of a-z and 0-9 in lower case; with
/// `stemmer`, those of more than three letters are stemmed (porter_stem). rougeLsum takes lines as
/// sentences.
RougeTypes google_rouge(std::string_view prediction, std::string_view reference, bool stemmer);

/// Per type the reference with the highest F, the first one on ties: SQuALITY's multi-reference
/// rule.
struct BestRouge {
  RougeTypes scores;
  std::array<std::size_t, 4> reference{};  ///< 0 when every F is 0
  std::array<double, 4> mean_f{};          ///< over all references, for contrast
};
BestRouge best_google_rouge(std::string_view prediction, const std::vector<std::string>& references,
                            bool stemmer);

/// SCROLLS' number from means of rouge1, rouge2 and rougeL, each 0 to 100: their geometric mean.
double rouge_geometric_mean(double rouge1, double rouge2, double rouge_l);

}  // namespace lethe::tasks
