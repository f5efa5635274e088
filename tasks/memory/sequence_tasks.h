// SPDX-License-Identifier: Apache-2.0
// The algorithmic tasks of the first RMT paper (arXiv 2207.06881, section 4): copy, reverse,
// associative retrieval, quadratic equations. A whole sequence, input and target, is cut into equal
// segments; what a later segment needs of an earlier one goes through the memory alone. And recall,
// retrieval's long form for caches: pairs strewn into noise, all of them asked for at the end.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace lethe::tasks {

enum class SequenceTask {
  kCopy,       ///< symbols, start, the symbols twice
  kReverse,    ///< symbols, start, the symbols from last to first
  kRetrieval,  ///< pairs of a letter and a digit, "?", one of the letters, its digit
  kQuadratic,  ///< an equation, start, its solution step by step, the roots
  kRecall,     ///< noise with 16 pairs of a key and a value, "?", all pairs in another order
};
/// "copy", "reverse", "retrieval", "quadratic", "recall"; nothing for another name.
std::optional<SequenceTask> find_sequence_task(std::string_view text);
std::vector<std::string> sequence_task_names();
std::string to_string(SequenceTask task);

struct SequenceOptions {
  SequenceTask task = SequenceTask::kCopy;
  /// Symbols of copy and reverse, pairs of retrieval (1 to 26; the paper has 4), tokens of recall
  /// before its "?". Quadratic equations have none: 0.
  std::int64_t size = 24;
};

/// Which samples are drawn. No input is in both: one in eight, by its hash, is for tests.
enum class SequenceSplit { kTrain, kTest };

/// One sequence. The model reads tokens[0] … tokens[inputs() - 1] and predicts after each the next.
struct SequenceSample {
  std::vector<std::int64_t> tokens;
  std::int64_t target_begin = 0;  ///< first token of the target: what is learnt and scored
  std::int64_t target_end = 0;    ///< past its last token; padding may follow
  std::int64_t answer_begin = 0;  ///< quadratic: where the roots begin; else target_begin
  /// The last of every so many tokens of the target is learnt and scored (recall: 2, the values).
  std::int64_t target_step = 1;

  std::int64_t inputs() const { return static_cast<std::int64_t>(tokens.size()) - 1; }
};

/// Thread-safe after construction.
class SequenceGenerator {
 public:
  /// Throws Error(kConfig) for a size that the task cannot have.
  explicit SequenceGenerator(const SequenceOptions& options);

  /// The symbol of each token id, in order: 10 for copy and reverse ("<pad>", "<start>", eight
  /// symbols), 37 for retrieval, the characters of the equations, 258 words for recall.
  const std::vector<std::string>& vocabulary() const { return vocabulary_; }
  /// inputs() of every sample: 3 or 2 times the size, 2 times and 2, 180; recall: the size and 32.
  std::int64_t inputs() const;
  /// Tokens of a segment when the inputs are cut into `segments` equal ones; where that leaves a
  /// remainder, the last one is shorter. Throws Error(kConfig) when fewer segments hold them all.
  std::int64_t segment_tokens(std::int64_t segments) const;
  /// The sample of `seed`.
  SequenceSample sample(std::uint64_t seed, SequenceSplit split) const;
  /// The tokens as text; what is padding is left out.
  std::string text(std::span<const std::int64_t> tokens) const;

  /// Score of one sample, 0 to 1. `found`: the tokens that a model holds likeliest at the places of
  /// the target, [target_end - target_begin], each after the true ones before it. Copy and reverse:
  /// share of the symbols that are right, recall: of the values; retrieval: 1 for the right digit;
  /// quadratic: 1 when every
  /// character of the roots and the end after them is right (the paper's exact match).
  double score(const SequenceSample& sample, std::span<const std::int64_t> found) const;

 private:
  SequenceSample drawn(std::uint64_t seed) const;

  SequenceOptions options_;
  std::vector<std::string> vocabulary_;
};

/// a x^2 + b x + c = 0, solved in the characters 0-9 + - * / ^ ( ) = ; x D < and the letters of
/// "none".
struct Quadratic {
  std::int64_t a = 1, b = 0, c = 0;
  std::string equation() const;  ///< "2*x^2-6*x-8=0"
  /// Steps, each closed by ";": the discriminant and, where it is no less than 0, both roots.
  /// "D=6^2-4*2*(-8)=100=10^2;x=(6-10)/4=-1;x=(6+10)/4=4;". Throws Error(kInternal) when the roots
  /// are no integers.
  std::string steps() const;
  std::string answer() const;  ///< "-1,4" by size, or "none"
};
/// Four of five with integer roots in -100 … 100, the others without real roots; a from 1 to 10.
/// The paper gives these ranges and not the text, which is ours.
Quadratic draw_quadratic(std::uint64_t seed);

}  // namespace lethe::tasks
