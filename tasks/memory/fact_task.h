// SPDX-License-Identifier: Apache-2.0
// The three memory tasks of arXiv 2304.11062, section 3: memorise, detect & memorise, reasoning.
// Facts in a stream of noise, a question at the very end, an answer among six places.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "models/tokenizer/tokenizer.h"
#include "tasks/memory/noise.h"
#include "tasks/memory/segment_source.h"

namespace lethe::tasks {

enum class FactTask {
  kMemorise,   ///< one fact at the very start
  kDetect,     ///< one fact anywhere
  kReasoning,  ///< two relations of three places anywhere; one of them answers the question
};
/// "memorise", "detect", "reasoning". Throws Error(kConfig) with a suggestion.
FactTask parse_fact_task(std::string_view text);
std::vector<std::string> fact_task_names();
std::string to_string(FactTask task);

/// Where facts stand. The released code of the paper trains with kSegment and, its scripts as they
/// are, evaluates with kStart; kUniform is harder than both.
enum class FactPlace {
  kStart,    ///< the first tokens of the sample
  kSegment,  ///< the first tokens of a uniformly random segment
  kUniform,  ///< any offset of a uniformly random segment in which the fact fits whole
};
/// "start", "segment", "uniform". Throws Error(kConfig) with a suggestion.
FactPlace parse_fact_place(std::string_view text);
std::string to_string(FactPlace place);

/// The classes, in order.
inline constexpr std::array<std::string_view, 6> kPlaces = {"bathroom", "hallway", "garden",
                                                            "office",   "bedroom", "kitchen"};

/// Shares of the variants of the reasoning task; 1: each variant as often as the other. A
/// curriculum begins at 0: relations and questions in one form alone.
struct ReasoningVariants {
  double orientation = 1;  ///< "B is south of A" for "A is north of B"
  double reading = 1;      ///< which of the two places of the relation is asked for
  double question = 1;     ///< "what is A north of ?" for "what is north of B ?"
};

struct FactOptions {
  FactTask task = FactTask::kDetect;
  FactPlace place = FactPlace::kUniform;
  std::int64_t segment_tokens = 499;
  ReasoningVariants variants;
};

/// One sample.
class FactSample final : public SegmentSource {
 public:
  std::int64_t segments() const override { return segments_; }
  std::int64_t segment_tokens() const override { return segment_tokens_; }
  /// Index into kPlaces.
  std::int64_t answer() const override { return answer_; }
  /// The beginning of an answer, which a model that continues texts is given after the last
  /// segment.
  const std::vector<std::int64_t>& cue() const { return cue_; }
  /// Where the text of a fact, or of the question, lies.
  struct Span {
    std::int64_t segment, offset, tokens;
  };
  /// Facts in the order in which they were placed, then the question.
  std::vector<Span> spans() const;
  /// In the order in which they were placed.
  std::vector<std::int64_t> fact_segments() const override;
  void fill(std::int64_t index, std::span<std::int64_t> out) const override;

 private:
  friend class FactGenerator;
  struct Placed {
    std::int64_t segment, offset;
    std::vector<std::int64_t> ids;
  };
  std::shared_ptr<const Noise> noise_;
  std::uint64_t seed_ = 0;
  std::int64_t segments_ = 0, segment_tokens_ = 0, answer_ = 0;
  std::vector<std::int64_t> cue_;
  std::vector<Placed> placed_;  ///< facts and, last, the question
};

/// Thread-safe after construction.
class FactGenerator {
 public:
  /// Throws Error(kModel) for a tokenizer without the words of the task, Error(kConfig) for
  /// segments too short for facts and question together.
  FactGenerator(const FactOptions& options, const models::Tokenizer& tokenizer,
                std::shared_ptr<const Noise> noise);

  /// The sample of `seed` with so many segments. Fact, question and places do not depend on the
  /// noise.
  FactSample sample(std::uint64_t seed, std::int64_t segments) const;

  /// First ids of the words that facts are made of: the places, with persons or directions.
  static std::vector<std::int64_t> confuser_ids(FactTask task, const models::Tokenizer& tokenizer);

 private:
  using Ids = std::vector<std::int64_t>;
  struct Story {
    std::vector<Ids> facts;
    Ids question, cue;
    std::int64_t answer;
  };
  class Words;
  Story move_story(class StoryStream& random) const;
  Story relation_story(class StoryStream& random) const;

  FactOptions options_;
  std::shared_ptr<const Noise> noise_;
  std::shared_ptr<const Words> words_;
};

}  // namespace lethe::tasks
