// SPDX-License-Identifier: Apache-2.0
// Accuracy of tasks whose answer must be remembered over many segments, as plain values: Recurrent
// Memory Transformers (arXiv 2207.06881, 2304.11062) and, on the same tasks, models that evict.
// What a database holds of them is described in docs/store-schema.md.
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "harness/store/records.h"
#include "reports/statistics/clustered.h"

namespace lethe::reports {

/// What a cell's task is, apart from its length: rows of other conditions never share a mean.
struct RmtCondition {
  std::string task;                     ///< "memorise", "detect", "reasoning", …
  std::string fact;                     ///< "start", "segment", "uniform"; "" where it has none
  std::optional<double> confusers;      ///< hard negatives per token of noise
  std::string noise;                    ///< "words", "pg19", "document"; "" where it has none
  std::optional<std::int64_t> segment;  ///< text tokens of a segment
  std::optional<std::int64_t> seed;     ///< of the test's samples
  std::string rest;                     ///< canonical JSON of the other options

  bool operator==(const RmtCondition&) const = default;
  /// "fact anywhere, 0.05 % confusers, words".
  std::string name() const;
};

/// A trained model; of one that has no recurrent memory only the name is known.
struct RmtModel {
  std::string name;
  bool recurrent = false;
  std::string task;                              ///< trained on
  std::optional<std::int64_t> seed;              ///< of training
  std::optional<std::int64_t> trained_segments;  ///< at most
  std::optional<double> trained_confusers;       ///< at most
  std::optional<std::int64_t> memory;            ///< tokens
  std::string recipe;                            ///< its name; "" where it is not recorded
  std::string weights;                           ///< SHA-256; "" where it is not recorded

  /// Whether the two differ in seed, name and weights only; models without a memory: in nothing.
  bool same_recipe(const RmtModel& other) const;
};

struct RmtSample {
  std::string id;
  std::optional<double> score;  ///< 1 at best
  std::vector<std::int64_t> fact_segments;
  std::int64_t classes = 0;  ///< possible answers; 0 where they are not of a closed set
  std::int64_t tokens = 0;
  double seconds = 0;
  std::int64_t state_bytes = 0;  ///< what is carried at the end: memory, or keys and values
  std::int64_t peak_bytes = 0;
  std::int64_t resident_bytes = 0;  ///< of the whole process, at the end; 0 where not measured
};

/// A share of right answers, 0 to 1.
struct Accuracy {
  double share = 0;
  std::optional<Interval> ends;  ///< 95 %: Wilson's where every score is 0 or 1, else Student's t
  std::size_t n = 0;
  std::optional<std::size_t> correct;  ///< where every score is 0 or 1
};

/// One cell: a length.
struct RmtCell {
  std::string key;
  std::int64_t length = 0;               ///< text tokens
  std::optional<std::int64_t> segments;  ///< none where the input is not cut into them
  store::CellStatus status = store::CellStatus::kPending;
  std::string reason;
  std::int64_t wanted = 0;
  std::vector<RmtSample> samples;

  /// None when no sample has a score, or the cell ended in failure.
  std::optional<Accuracy> accuracy() const;
  bool partial() const { return static_cast<std::int64_t>(samples.size()) < wanted; }
  /// Mean time of a sample by its segments; NaN where there are none.
  double seconds_per_segment() const;
  double seconds_per_sample() const;
  /// Largest over the samples; 0 where it was not measured.
  std::int64_t most(std::int64_t RmtSample::*bytes) const;
  /// Possible answers, where all samples agree on them; else 0.
  std::int64_t classes() const;
};

/// How a cell uses the memory: all but kCarried must fail.
enum class RmtMemory {
  kCarried,
  kReset,     ///< its initial value at every border
  kShuffled,  ///< that of another sample before the last segment
  kNone,      ///< no memory tokens
  kEviction,  ///< not recurrent: a policy keeps part of the keys and values
};

/// Cells of one model, policy, budget and run at several lengths, shortest first.
struct RmtLine {
  RmtModel model;
  std::vector<RmtCell> cells;

  const RmtCell* at(std::int64_t length) const;
};

/// Mean over the models of a group.
struct RmtMean {
  double mean = 0;
  double least = 0;
  double most = 0;
  std::size_t models = 0;
  std::size_t seeds = 0;    ///< distinct ones
  std::size_t samples = 0;  ///< of every model, at least
};

/// Lines that differ in the training seed only.
struct RmtGroup {
  RmtCondition condition;
  std::string policy;
  std::optional<std::int64_t> budget;  ///< memory tokens, or tokens kept per layer
  RmtMemory memory = RmtMemory::kCarried;
  std::string run;       ///< canonical JSON of every other input; what tells twins apart
  std::string run_name;  ///< "float32, exact, original positions, test seed 0"
  std::vector<RmtLine> lines;

  const RmtModel& model() const { return lines.front().model; }
  /// Lengths that occur, ascending.
  std::vector<std::int64_t> lengths() const;
  /// Segments at a length; none where the input has none.
  std::optional<std::int64_t> segments(std::int64_t length) const;
  /// None where no model has a number.
  std::optional<RmtMean> mean(std::int64_t length) const;
  /// Numbers behind mean(), one per model that has one.
  std::vector<double> shares(std::int64_t length) const;
  /// Text tokens at that many segments, where a cell has them.
  std::optional<std::int64_t> length_of(std::int64_t wanted_segments) const;
  /// Whether the test has more hard negatives per token than any stage of the training.
  bool harder() const;
  /// "trained on at most 7 segments, 10 memory tokens".
  std::string recipe() const;
};

/// Everything a report is about.
struct RmtResults {
  std::vector<RmtGroup> groups;

  /// Groups of a task whose memory is carried, the one with the longest inputs first; a trained
  /// model of few segments comes after one of more.
  std::vector<const RmtGroup*> carried(std::string_view task) const;
  /// The recipe that the headline is about: of the models trained on the most segments the one with
  /// the most of them, and of equals the one tested on the longest inputs. Others are ablations.
  std::string plain_recipe(std::string_view task) const;
  /// Groups of that recipe trained on the most segments. Test texts harder than those of training
  /// come last.
  std::vector<const RmtGroup*> plain(std::string_view task) const;
  /// Tasks with a carried memory, in order of first appearance.
  std::vector<std::string> tasks() const;
};

/// The known ways: "rmt" or "rmt:memory=carried", "rmt:memory=reset", "…=shuffled", "…=none"; any
/// other policy evicts. Throws Error(kStore) for another value of `memory`.
RmtMemory memory_of_policy(const std::string& policy);

/// "memory carried", "memory reset", …
std::string to_string(RmtMemory memory);

/// Accuracy that a single fact leaves to a model which knows only its last segment: the fact is
/// there with probability 1/n, else one of `classes` answers is drawn (docs/rmt.md). A fact at the
/// start is never there. None for fewer than two segments, unknown fact rules or open answers.
std::optional<double> expected_without_memory(const RmtCondition& condition, std::int64_t segments,
                                              std::int64_t classes);

}  // namespace lethe::reports
