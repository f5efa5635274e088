// SPDX-License-Identifier: Apache-2.0
#include "tasks/memory/fact_task.h"

#include <algorithm>
#include <initializer_list>
#include <map>
#include <utility>

#include "harness/base/error.h"
#include "harness/base/names.h"
#include "harness/base/seed.h"

namespace lethe::tasks {
namespace {

constexpr std::array<std::string_view, 4> kPersons = {"Mary", "John", "Daniel", "Sandra"};
constexpr std::array<std::string_view, 5> kVerbs = {"moved", "went", "went back", "journeyed",
                                                    "travelled"};
/// Opposites are neighbours: direction ^ 1.
constexpr std::array<std::string_view, 4> kDirections = {"north", "south", "east", "west"};
constexpr std::array<std::string_view, 11> kOtherWords = {
    "to", "the", "is", "where", "what", "of", ".", "?", "back", "in", "it"};

constexpr std::array<std::pair<std::string_view, FactTask>, 3> kTasks = {
    {{"memorise", FactTask::kMemorise},
     {"detect", FactTask::kDetect},
     {"reasoning", FactTask::kReasoning}}};
constexpr std::array<std::pair<std::string_view, FactPlace>, 3> kFactPlaces = {
    {{"start", FactPlace::kStart},
     {"segment", FactPlace::kSegment},
     {"uniform", FactPlace::kUniform}}};

template <typename Table>
auto parsed(const Table& table, const char* what, std::string_view text) {
  std::vector<std::string> known;
  for (const auto& [name, value] : table) {
    if (name == text) return value;
    known.emplace_back(name);
  }
  throw unknown_name(ErrorKind::kConfig, what, std::string(text), known);
}

template <typename Table, typename Value>
std::string name_of(const Table& table, Value value) {
  return std::string(std::ranges::find(table, value, &Table::value_type::second)->first);
}

}  // namespace

FactTask parse_fact_task(std::string_view text) {
  return parsed(kTasks, "memory task", text);
}
std::vector<std::string> fact_task_names() {
  std::vector<std::string> names;
  for (const auto& [name, task] : kTasks) names.emplace_back(name);
  return names;
}
std::string to_string(FactTask task) {
  return name_of(kTasks, task);
}
FactPlace parse_fact_place(std::string_view text) {
  return parsed(kFactPlaces, "place of facts", text);
}
std::string to_string(FactPlace place) {
  return name_of(kFactPlaces, place);
}

std::vector<std::int64_t> FactSample::fact_segments() const {
  std::vector<std::int64_t> segments;
  for (std::size_t i = 0; i + 1 < placed_.size(); ++i) segments.push_back(placed_[i].segment);
  return segments;
}

std::vector<FactSample::Span> FactSample::spans() const {
  std::vector<Span> spans;
  for (const Placed& text : placed_) {
    spans.push_back({text.segment, text.offset, static_cast<std::int64_t>(text.ids.size())});
  }
  return spans;
}

void FactSample::fill(std::int64_t index, std::span<std::int64_t> out) const {
  LETHE_ASSERT(static_cast<std::int64_t>(out.size()) == segment_tokens_,
               "a segment has its length");
  noise_->fill(seed_, index, out);
  for (const Placed& text : placed_) {
    if (text.segment == index) std::ranges::copy(text.ids, out.begin() + text.offset);
  }
}

/// The tokenizer's ids of every word that stories are made of.
class FactGenerator::Words {
 public:
  explicit Words(const models::Tokenizer& tokenizer) {
    const auto add = [&](const auto& words) {
      for (const std::string_view word : words) {
        for (const std::string& part : split(word)) {
          if (!ids_.contains(part)) ids_.emplace(part, word_ids(tokenizer, part));
        }
      }
    };
    add(kPlaces);
    add(kPersons);
    add(kVerbs);
    add(kDirections);
    add(kOtherWords);
  }

  /// Ids of a sentence whose words are separated by single spaces.
  Ids sentence(std::initializer_list<std::string_view> texts) const {
    Ids all;
    for (const std::string_view text : texts) {
      for (const std::string& word : split(text)) {
        const Ids& ids = ids_.at(word);
        all.insert(all.end(), ids.begin(), ids.end());
      }
    }
    return all;
  }

 private:
  static std::vector<std::string> split(std::string_view text) {
    std::vector<std::string> words(1);
    for (const char c : text) {
      if (c == ' ') {
        words.emplace_back();
      } else {
        words.back() += c;
      }
    }
    return words;
  }
  std::map<std::string, Ids, std::less<>> ids_;
};

/// Draws of one story.
class StoryStream {
 public:
  explicit StoryStream(std::uint64_t seed) : random_(seed) {}
  std::size_t below(std::size_t bound) { return random_.below(bound); }
  template <typename List>
  std::string_view one_of(const List& list) {
    return list[below(list.size())];
  }
  /// True for half of the draws at share 1, for none at share 0.
  bool other(double share) { return random_.uniform() < share / 2; }

 private:
  RandomStream random_;
};

std::vector<std::int64_t> FactGenerator::confuser_ids(FactTask task,
                                                      const models::Tokenizer& tokenizer) {
  std::vector<std::int64_t> ids;
  const auto add = [&](const auto& words) {
    for (const std::string_view word : words) {
      ids.push_back(word_ids(tokenizer, std::string(word)).front());
    }
  };
  add(kPlaces);
  if (task == FactTask::kReasoning) {
    add(kDirections);
  } else {
    add(kPersons);
  }
  return ids;
}

FactGenerator::FactGenerator(const FactOptions& options, const models::Tokenizer& tokenizer,
                             std::shared_ptr<const Noise> noise)
    : options_(options),
      noise_(std::move(noise)),
      words_(std::make_shared<const Words>(tokenizer)) {
  // The longest that can meet in the last segment, whatever pieces the tokenizer cuts words into.
  const auto size = [&](std::initializer_list<std::string_view> texts) {
    return static_cast<std::int64_t>(words_->sentence(texts).size());
  };
  const auto longest = [&](const auto& list) {
    std::int64_t most = 0;
    for (const std::string_view text : list) most = std::max(most, size({text}));
    return most;
  };
  const std::int64_t place = longest(kPlaces), person = longest(kPersons),
                     direction = longest(kDirections);
  const std::int64_t relation = size({"the is of the ."}) + 2 * place + direction,
                     move = size({"to the ."}) + person + longest(kVerbs) + place;
  const std::int64_t needed = options_.task == FactTask::kReasoning
                                  ? 2 * relation + size({"what is the of ?"}) + place + direction
                                  : move + size({"where is ?"}) + person;
  if (options_.segment_tokens < needed) {
    throw Error(ErrorKind::kConfig, "segment: expected at least " + std::to_string(needed) +
                                        " tokens, which facts and question of task '" +
                                        to_string(options_.task) + "' may need, found " +
                                        std::to_string(options_.segment_tokens));
  }
}

FactGenerator::Story FactGenerator::move_story(StoryStream& random) const {
  const std::string_view person = random.one_of(kPersons), verb = random.one_of(kVerbs);
  const std::size_t place = random.below(kPlaces.size());
  return {{words_->sentence({person, verb, "to the", kPlaces[place], "."})},
          words_->sentence({"where is", person, "?"}),
          words_->sentence({person, verb, "to the"}),
          static_cast<std::int64_t>(place)};
}

// The distribution of the paper's table of 1,000 rows (aaai24: data/two_facts_reasoning.csv): three
// places in a row on one axis, two relations that share the middle one, one of them asked for.
FactGenerator::Story FactGenerator::relation_story(StoryStream& random) const {
  const ReasoningVariants& variants = options_.variants;
  std::array<std::size_t, 6> order{0, 1, 2, 3, 4, 5};
  for (std::size_t i = 0; i < 3; ++i) std::swap(order[i], order[i + random.below(6 - i)]);
  const std::size_t axis = 2 * random.below(2);
  // order[0] lies north (east) of order[1], and that of order[2].
  std::vector<Ids> facts;
  for (std::size_t r = 0; r < 2; ++r) {
    const bool turned = random.other(variants.orientation);
    facts.push_back(words_->sentence({"the", kPlaces[order[turned ? r + 1 : r]], "is",
                                      kDirections[axis + (turned ? 1 : 0)], "of the",
                                      kPlaces[order[turned ? r : r + 1]], "."}));
  }
  if (random.below(2) == 1) std::swap(facts[0], facts[1]);
  const std::size_t asked = random.below(2);
  const bool backward = random.other(variants.reading);
  const std::size_t x = order[backward ? asked + 1 : asked],
                    y = order[backward ? asked : asked + 1];
  const std::string_view direction = kDirections[axis + (backward ? 1 : 0)];
  const bool object = random.other(variants.question);  // x lies `direction` of y
  return {facts,
          object ? words_->sentence({"what is the", kPlaces[x], direction, "of ?"})
                 : words_->sentence({"what is", direction, "of the", kPlaces[y], "?"}),
          words_->sentence({"it is the"}), static_cast<std::int64_t>(object ? y : x)};
}

FactSample FactGenerator::sample(std::uint64_t seed, std::int64_t segments) const {
  StoryStream random(derive_seed(seed, "story"));
  const Story story =
      options_.task == FactTask::kReasoning ? relation_story(random) : move_story(random);
  FactSample sample;
  sample.noise_ = noise_;
  sample.seed_ = seed;
  sample.segments_ = segments;
  sample.segment_tokens_ = options_.segment_tokens;
  sample.answer_ = story.answer;
  sample.cue_ = story.cue;
  const auto length = [](const Ids& ids) { return static_cast<std::int64_t>(ids.size()); };
  const std::int64_t question = options_.segment_tokens - length(story.question);
  const FactPlace place = options_.task == FactTask::kMemorise ? FactPlace::kStart : options_.place;
  for (const Ids& fact : story.facts) {
    const bool anywhere = place != FactPlace::kStart;
    const std::size_t segment = anywhere ? random.below(static_cast<std::size_t>(segments)) : 0;
    sample.placed_.push_back({static_cast<std::int64_t>(segment), 0, fact});
  }
  // Offsets that leave a fact (or two in one segment, `taken` tokens in all) whole.
  const auto offset = [&](const FactSample::Placed& placed, std::int64_t taken) {
    const std::int64_t end = placed.segment == segments - 1 ? question : options_.segment_tokens;
    return static_cast<std::int64_t>(random.below(static_cast<std::size_t>(end - taken + 1)));
  };
  const bool together =
      sample.placed_.size() == 2 && sample.placed_[0].segment == sample.placed_[1].segment;
  const bool uniform = place == FactPlace::kUniform;
  if (together) {
    const std::size_t first = uniform ? random.below(2) : 0;
    FactSample::Placed &before = sample.placed_[first], &after = sample.placed_[1 - first];
    const std::int64_t taken = length(before.ids) + length(after.ids);
    const std::int64_t a = uniform ? offset(before, taken) : 0,
                       b = uniform ? offset(before, taken) : 0;
    before.offset = std::min(a, b);
    after.offset = std::max(a, b) + length(before.ids);
  } else if (uniform) {
    for (FactSample::Placed& placed : sample.placed_)
      placed.offset = offset(placed, length(placed.ids));
  }
  sample.placed_.push_back({segments - 1, question, story.question});
  return sample;
}

}  // namespace lethe::tasks
