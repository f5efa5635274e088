// SPDX-License-Identifier: Apache-2.0
// ROUGE as the Python package rouge 1.0.1 computes it: LongBench's and kvpress' metric.
#pragma once

#include <cstddef>
#include <string_view>

namespace lethe::tasks {

/// Deepest recursion that succeeds below LongBench's eval.py: Python's limit of 1,000 frames, less
/// the frames that are in use there. rouge_zh_score stands one frame deeper.
inline constexpr std::size_t kRougeRecursion = 990;
inline constexpr std::size_t kRougeChineseRecursion = 989;

struct RougeScore {
  double recall = 0;
  double precision = 0;
  double f = 0;
};

/// The package's rouge-1, rouge-2 (sets of n-grams) and rouge-l (union of common subsequences over
/// sets of words), case-sensitive, sentences cut at every ".", F with 1e-8 in the denominator.
struct PackageRouge {
  RougeScore one;
  RougeScore two;
  RougeScore l;
  /// Most steps that one pair of sentences takes back through its table; exact beyond
  /// kRougeChineseRecursion. The package recurses once a step, and Python raises RecursionError
  /// beyond its limit.
  std::size_t recursion = 0;
  /// A side without a sentence: the package raises ValueError, and everything above is 0.
  bool empty = false;
};

PackageRouge package_rouge(std::string_view hypothesis, std::string_view reference);

/// LongBench's rouge_score for one reference: `official` is 0 where the package raises.
struct LongBenchRouge {
  double official = 0;
  double unbounded = 0;  ///< without the recursion limit
  bool overflow = false;
};
LongBenchRouge longbench_rouge(std::string_view prediction, std::string_view reference,
                               std::size_t recursion_limit);

}  // namespace lethe::tasks
