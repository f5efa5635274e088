// SPDX-License-Identifier: Apache-2.0
#include "tasks/memory/babilong.h"

#include <algorithm>
#include <utility>

#include "harness/base/error.h"
#include "harness/base/names.h"
#include "harness/base/seed.h"
#include "harness/base/text.h"
#include "tasks/memory/noise.h"

namespace lethe::tasks {
namespace {

std::int64_t size_of(const std::vector<std::int64_t>& ids) {
  return static_cast<std::int64_t>(ids.size());
}

/// Of `count` facts: shares of the borders, ascending.
std::vector<double> draw_places(std::uint64_t seed, std::size_t count) {
  RandomStream random(derive_seed(seed, "places"));
  std::vector<double> places(count);
  for (double& place : places) place = random.uniform();
  std::ranges::sort(places);
  return places;
}

class BabilongSegments final : public SegmentSource {
 public:
  BabilongSegments(BabilongText text, std::vector<std::int64_t> question, std::int64_t segments,
                   std::int64_t segment_tokens, std::int64_t answer)
      : text_(std::move(text)),
        question_(std::move(question)),
        segments_(segments),
        segment_tokens_(segment_tokens),
        answer_(answer) {}

  std::int64_t segments() const override { return segments_; }
  std::int64_t segment_tokens() const override { return segment_tokens_; }
  std::int64_t answer() const override { return answer_; }
  std::vector<std::int64_t> fact_segments() const override {
    auto segments = text_.fact_offsets();
    for (std::int64_t& offset : segments) offset /= segment_tokens_;
    return segments;
  }
  void fill(std::int64_t index, std::span<std::int64_t> out) const override {
    LETHE_ASSERT(static_cast<std::int64_t>(out.size()) == segment_tokens_,
                 "a segment has its length");
    if (index == segments_ - 1) {
      std::ranges::copy(question_, out.end() - size_of(question_));
      out = out.first(out.size() - question_.size());
    }
    text_.fill(index * segment_tokens_, out);
  }

 private:
  BabilongText text_;
  std::vector<std::int64_t> question_;
  std::int64_t segments_, segment_tokens_, answer_;
};

}  // namespace

std::vector<std::int64_t> BabilongText::fact_offsets() const {
  std::vector<std::int64_t> offsets;
  for (const Fact& fact : facts_) offsets.push_back(fact.begin);
  return offsets;
}

void BabilongText::fill_background(std::int64_t offset, std::span<std::int64_t> out) const {
  if (offset < size_of(opening_)) {
    const auto count = std::min(out.size(), static_cast<std::size_t>(size_of(opening_) - offset));
    std::copy_n(opening_.begin() + offset, count, out.begin());
    out = out.subspan(count);
    offset += static_cast<std::int64_t>(count);
  }
  if (!out.empty()) background_->copy(sentence_, offset - size_of(opening_), out);
}

void BabilongText::fill(std::int64_t first, std::span<std::int64_t> out) const {
  LETHE_ASSERT(first >= 0 && first + static_cast<std::int64_t>(out.size()) <= tokens_,
               "a part of the text");
  // The first fact that ends behind `first`.
  auto fact = std::ranges::partition_point(
      facts_, [&](const Fact& f) { return f.begin + size_of(f.ids) <= first; });
  std::int64_t taken = fact == facts_.begin()
                           ? 0
                           : (fact - 1)->begin + size_of((fact - 1)->ids) - (fact - 1)->background;
  while (!out.empty()) {
    const std::int64_t left = static_cast<std::int64_t>(out.size());
    std::int64_t count = left;
    if (fact != facts_.end() && fact->begin <= first) {
      const std::int64_t offset = first - fact->begin;
      count = std::min(left, size_of(fact->ids) - offset);
      std::copy_n(fact->ids.begin() + offset, count, out.begin());
      if (offset + count == size_of(fact->ids)) {
        taken += size_of(fact->ids);
        ++fact;
      }
    } else {
      if (fact != facts_.end()) count = std::min(left, fact->begin - first);
      fill_background(first - taken, out.first(static_cast<std::size_t>(count)));
    }
    first += count;
    out = out.subspan(static_cast<std::size_t>(count));
  }
}

BabilongGenerator::BabilongGenerator(std::shared_ptr<const Background> background,
                                     const models::Tokenizer& tokenizer)
    : background_(std::move(background)), tokenizer_(tokenizer), sentences_(tokenizer) {}

BabilongText BabilongGenerator::text(const BabiQuestion& question, std::uint64_t seed,
                                     std::optional<std::int64_t> tokens) const {
  if (tokens && background_->sentences() == 0) {
    throw Error(ErrorKind::kData, "background: expected sentences of at least " +
                                      std::to_string(Background::kFewestTokens) +
                                      " tokens, found none in its texts");
  }
  BabilongText text;
  text.background_ = background_;
  const auto places = draw_places(seed, question.facts.size());
  if (tokens) {
    text.sentence_ =
        static_cast<std::int64_t>(RandomStream(derive_seed(seed, "background"))
                                      .below(static_cast<std::uint64_t>(background_->sentences())));
  }
  std::int64_t of_facts = 0;
  for (const std::string& fact : question.facts) {
    text.facts_.push_back({0, 0, sentences_.following(fact)});
    of_facts += size_of(text.facts_.back().ids);
  }
  // Sentences are counted as they stand behind others: which one opens the text is not known yet.
  const std::int64_t about = tokens ? std::max<std::int64_t>(0, *tokens - of_facts) : 0;
  const std::int64_t count = tokens ? background_->sentences_for(text.sentence_, about) : 0;
  std::vector<std::int64_t> borders;
  for (const double place : places) {
    borders.push_back(
        std::min(count, static_cast<std::int64_t>(place * static_cast<double>(count + 1))));
  }
  const std::int64_t first = text.sentence_;
  if (borders.front() == 0) {
    auto& opening = text.facts_.front().ids;
    of_facts -= size_of(opening);
    opening = sentences_.opening(question.facts.front());
    of_facts += size_of(opening);
  } else {
    text.opening_ = sentences_.as_opening(background_->sentence(first));
    ++text.sentence_;
  }
  text.tokens_ = tokens.value_or(of_facts);
  const std::int64_t background = text.tokens_ - of_facts;
  if (background < 0) {
    throw Error(ErrorKind::kData, "question " + std::to_string(question.index) + ": its " +
                                      std::to_string(question.facts.size()) + " facts have " +
                                      with_thousands(of_facts) + " tokens, the text has room for " +
                                      with_thousands(text.tokens_) +
                                      "; choose a longer length, or fewer facts (most_facts)");
  }
  std::int64_t before = 0;
  for (std::size_t i = 0; i < borders.size(); ++i) {
    auto& fact = text.facts_[i];
    const std::int64_t behind_opening = text.opening_.empty() ? borders[i] : borders[i] - 1;
    const std::int64_t sentences =
        behind_opening > 0 ? background_->tokens_of(text.sentence_, behind_opening) : 0;
    fact.background = std::min(background, size_of(text.opening_) + sentences);
    fact.begin = fact.background + before;
    before += size_of(fact.ids);
  }
  return text;
}

std::unique_ptr<SegmentSource> BabilongGenerator::segments(
    const BabiQuestion& question, std::uint64_t seed, std::int64_t segments,
    std::int64_t segment_tokens, std::span<const std::string> labels) const {
  for (const std::string& label : labels) word_ids(tokenizer_, label);
  const auto answer = std::ranges::find(labels, question.answer);
  if (answer == labels.end()) {
    throw Error(ErrorKind::kData, "question " + std::to_string(question.index) +
                                      ": expected one of the answers " + join(labels, ", ") +
                                      ", found '" + question.answer + "'");
  }
  auto asked = sentences_.following(question.question);
  if (size_of(asked) > segment_tokens) {
    throw Error(ErrorKind::kData,
                "question " + std::to_string(question.index) + ": expected segments of at least " +
                    std::to_string(asked.size()) + " tokens, as the question has, found " +
                    std::to_string(segment_tokens));
  }
  auto read = text(question, seed, segments * segment_tokens - size_of(asked));
  return std::make_unique<BabilongSegments>(std::move(read), std::move(asked), segments,
                                            segment_tokens, answer - labels.begin());
}

}  // namespace lethe::tasks
