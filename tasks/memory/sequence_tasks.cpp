// SPDX-License-Identifier: Apache-2.0
#include "tasks/memory/sequence_tasks.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>
#include <utility>

#include "harness/base/error.h"
#include "harness/base/seed.h"

namespace lethe::tasks {
namespace {

using Ids = std::vector<std::int64_t>;

constexpr std::array<std::pair<std::string_view, SequenceTask>, 5> kTasks = {
    {{"copy", SequenceTask::kCopy},
     {"reverse", SequenceTask::kReverse},
     {"retrieval", SequenceTask::kRetrieval},
     {"quadratic", SequenceTask::kQuadratic},
     {"recall", SequenceTask::kRecall}}};

constexpr std::int64_t kPad = 0, kStart = 1, kFirstSymbol = 2;  // of all tasks but retrieval
constexpr std::int64_t kSymbols = 8;
constexpr std::int64_t kLetters = 26, kQuestion = 36;  // retrieval: letters, digits, "?"
constexpr std::int64_t kQuadraticInputs = 180;         // 6 segments of 30
constexpr std::string_view kCharacters = "0123456789+-*/^()=;,xD<none.";
constexpr char kEnd = '.';  // after the roots
// Recall: "[UNK]" (tokenizers want one), "?", keys, values, words of noise.
constexpr std::int64_t kAsk = 1, kKeys = 64, kNoiseWords = 128, kPairs = 16;
constexpr std::int64_t kFirstKey = 2, kFirstValue = kFirstKey + kKeys,
                       kFirstNoise = kFirstValue + kKeys;
constexpr std::uint64_t kTestShare = 8;
constexpr std::int64_t kMostSymbols = 1'000'000;

std::vector<std::string> vocabulary_of(SequenceTask task) {
  std::vector<std::string> all;
  const auto add = [&](std::string_view characters) {
    for (const char c : characters) {
      if (std::ranges::find(all, std::string(1, c)) == all.end()) all.emplace_back(1, c);
    }
  };
  if (task == SequenceTask::kRetrieval) {
    add("abcdefghijklmnopqrstuvwxyz0123456789?");
    return all;
  }
  if (task == SequenceTask::kRecall) {
    all = {"[UNK]", "?"};
    for (const auto& [letter, count] : {std::pair{'k', kKeys}, {'v', kKeys}, {'n', kNoiseWords}}) {
      for (std::int64_t i = 0; i < count; ++i) all.push_back(letter + std::to_string(i));
    }
    return all;
  }
  all = {"<pad>", "<start>"};
  add(task == SequenceTask::kQuadratic ? kCharacters : "abcdefgh");
  return all;
}

Ids character_ids(const std::vector<std::string>& vocabulary, std::string_view text) {
  Ids ids;
  for (const char c : text) {
    const auto found = std::ranges::find(vocabulary, std::string(1, c));
    LETHE_ASSERT(found != vocabulary.end(), std::string("no token for ") + c);
    ids.push_back(found - vocabulary.begin());
  }
  return ids;
}

// A sample whose target is all that is scored.
SequenceSample sample_of(const Ids& input, const Ids& target) {
  SequenceSample sample;
  sample.tokens = input;
  sample.target_begin = sample.answer_begin = static_cast<std::int64_t>(input.size());
  sample.tokens.insert(sample.tokens.end(), target.begin(), target.end());
  sample.target_end = static_cast<std::int64_t>(sample.tokens.size());
  return sample;
}

SequenceSample symbols_sample(const SequenceOptions& options, RandomStream& random) {
  Ids symbols;
  for (std::int64_t i = 0; i < options.size; ++i) {
    symbols.push_back(kFirstSymbol + static_cast<std::int64_t>(random.below(kSymbols)));
  }
  Ids input = symbols, target = symbols;
  input.push_back(kStart);
  if (options.task == SequenceTask::kReverse) {
    std::ranges::reverse(target);
  } else {
    target.insert(target.end(), symbols.begin(), symbols.end());
  }
  return sample_of(input, target);
}

SequenceSample retrieval_sample(const SequenceOptions& options, RandomStream& random) {
  Ids letters(kLetters), input, digits;
  std::iota(letters.begin(), letters.end(), std::int64_t{0});
  for (std::int64_t i = 0; i < options.size; ++i) {
    const auto rest = static_cast<std::uint64_t>(kLetters - i);
    std::swap(letters[static_cast<std::size_t>(i)],
              letters[static_cast<std::size_t>(i) + random.below(rest)]);
    digits.push_back(kLetters + static_cast<std::int64_t>(random.below(10)));
    input.push_back(letters[static_cast<std::size_t>(i)]);
    input.push_back(digits.back());
  }
  const std::size_t asked = random.below(static_cast<std::uint64_t>(options.size));
  input.push_back(kQuestion);
  input.push_back(letters[asked]);
  return sample_of(input, {digits[asked]});
}

// `count` of the numbers below `below`, in random order.
Ids drawn_apart(std::int64_t count, std::int64_t below, RandomStream& random) {
  Ids all(static_cast<std::size_t>(below));
  std::iota(all.begin(), all.end(), std::int64_t{0});
  for (std::size_t i = 0; i < static_cast<std::size_t>(count); ++i) {
    std::swap(all[i], all[i + random.below(all.size() - i)]);
  }
  all.resize(static_cast<std::size_t>(count));
  return all;
}

// Words of noise by Zipf's law, the frequency of rank r as 1 / r.
std::int64_t noise_word(RandomStream& random) {
  static const std::vector<double> sums = [] {
    std::vector<double> all;
    double sum = 0;
    for (std::int64_t rank = 1; rank <= kNoiseWords; ++rank) {
      all.push_back(sum += 1 / static_cast<double>(rank));
    }
    return all;
  }();
  const auto found = std::ranges::upper_bound(sums, random.uniform() * sums.back());
  return kFirstNoise + std::min<std::int64_t>(found - sums.begin(), kNoiseWords - 1);
}

SequenceSample recall_sample(const SequenceOptions& options, RandomStream& random) {
  const Ids keys = drawn_apart(kPairs, kKeys, random);
  Ids values;
  for (std::int64_t i = 0; i < kPairs; ++i) {
    values.push_back(kFirstValue + static_cast<std::int64_t>(random.below(kKeys)));
  }
  // A pair is one place among the words.
  const std::int64_t places = options.size - kPairs;
  std::vector<std::int64_t> pair_at(static_cast<std::size_t>(places), -1);
  const Ids chosen = drawn_apart(kPairs, places, random);
  for (std::size_t i = 0; i < chosen.size(); ++i) {
    pair_at[static_cast<std::size_t>(chosen[i])] = static_cast<std::int64_t>(i);
  }
  const auto put = [&](Ids& out, std::size_t pair) {
    out.push_back(kFirstKey + keys[pair]);
    out.push_back(values[pair]);
  };
  Ids input, target;
  for (const std::int64_t pair : pair_at) {
    if (pair < 0) {
      input.push_back(noise_word(random));
    } else {
      put(input, static_cast<std::size_t>(pair));
    }
  }
  input.push_back(kAsk);
  for (const std::int64_t pair : drawn_apart(kPairs, kPairs, random)) {
    put(target, static_cast<std::size_t>(pair));
  }
  SequenceSample sample = sample_of(input, target);
  sample.target_step = 2;
  return sample;
}

SequenceSample quadratic_sample(const std::vector<std::string>& vocabulary, std::uint64_t seed) {
  const Quadratic quadratic = draw_quadratic(seed);
  Ids input = character_ids(vocabulary, quadratic.equation());
  input.push_back(kStart);
  const std::string steps = quadratic.steps();
  SequenceSample sample =
      sample_of(input, character_ids(vocabulary, steps + quadratic.answer() + kEnd));
  sample.answer_begin += static_cast<std::int64_t>(steps.size());
  LETHE_ASSERT(sample.inputs() <= kQuadraticInputs, "an equation and its solution fit");
  sample.tokens.resize(static_cast<std::size_t>(kQuadraticInputs) + 1, kPad);
  return sample;
}

// A number as a factor: negative ones in brackets.
std::string factor(std::int64_t value) {
  return value < 0 ? "(" + std::to_string(value) + ")" : std::to_string(value);
}

std::string with_sign(std::int64_t value) {
  return (value < 0 ? "-" : "+") + std::to_string(std::abs(value));
}

// Draws of `input` belong to the tests in one case of kTestShare.
SequenceSplit split_of(const SequenceSample& sample) {
  const std::string_view input(
      reinterpret_cast<const char*>(sample.tokens.data()),
      static_cast<std::size_t>(sample.target_begin) * sizeof(std::int64_t));
  return derive_seed(0, input) % kTestShare == 0 ? SequenceSplit::kTest : SequenceSplit::kTrain;
}

}  // namespace

std::optional<SequenceTask> find_sequence_task(std::string_view text) {
  for (const auto& [name, task] : kTasks) {
    if (name == text) return task;
  }
  return std::nullopt;
}

std::vector<std::string> sequence_task_names() {
  std::vector<std::string> names;
  for (const auto& [name, task] : kTasks) names.emplace_back(name);
  return names;
}

std::string to_string(SequenceTask task) {
  return std::string(std::ranges::find(kTasks, task, &decltype(kTasks)::value_type::second)->first);
}

std::string Quadratic::equation() const {
  return std::to_string(a) + "*x^2" + with_sign(b) + "*x" + with_sign(c) + "=0";
}

std::string Quadratic::steps() const {
  const std::int64_t discriminant = b * b - 4 * a * c;
  std::string text = "D=" + factor(b) + "^2-4*" + std::to_string(a) + "*" + factor(c) + "=" +
                     std::to_string(discriminant);
  if (discriminant < 0) return text + "<0;";
  const auto root = static_cast<std::int64_t>(std::llround(std::sqrt(discriminant)));
  LETHE_ASSERT(
      root * root == discriminant && (b - root) % (2 * a) == 0 && (b + root) % (2 * a) == 0,
      "the roots are integers");
  text += "=" + std::to_string(root) + "^2;";
  for (const std::int64_t turned : {-root, root}) {
    text += "x=(" + std::to_string(-b) + (turned == -root ? "-" : "+") + std::to_string(root) +
            ")/" + std::to_string(2 * a) + "=" + std::to_string((turned - b) / (2 * a)) + ";";
  }
  return text;
}

std::string Quadratic::answer() const {
  const std::int64_t discriminant = b * b - 4 * a * c;
  if (discriminant < 0) return "none";
  const auto root = static_cast<std::int64_t>(std::llround(std::sqrt(discriminant)));
  return std::to_string((-b - root) / (2 * a)) + "," + std::to_string((root - b) / (2 * a));
}

Quadratic draw_quadratic(std::uint64_t seed) {
  RandomStream random(seed);
  const std::int64_t a = 1 + static_cast<std::int64_t>(random.below(10));
  const auto within_hundred = [&] { return static_cast<std::int64_t>(random.below(201)) - 100; };
  if (random.below(5) == 0) {
    // a ((x - h)^2 + k) is above 0 everywhere.
    const std::int64_t h = within_hundred(), k = 1 + static_cast<std::int64_t>(random.below(10000));
    return {a, -2 * a * h, a * (h * h + k)};
  }
  const std::int64_t first = within_hundred(), second = within_hundred();
  return {a, -a * (first + second), a * first * second};
}

SequenceGenerator::SequenceGenerator(const SequenceOptions& options)
    : options_(options), vocabulary_(vocabulary_of(options.task)) {
  const bool quadratic = options.task == SequenceTask::kQuadratic;
  // (Of one symbol there are too few inputs for each of training, validation and test to have
  // some.)
  const std::int64_t least = quadratic                                  ? 0
                             : options.task == SequenceTask::kRetrieval ? 1
                             : options.task == SequenceTask::kRecall    ? 2 * kPairs
                                                                        : 2;
  const std::int64_t most = quadratic                                  ? 0
                            : options.task == SequenceTask::kRetrieval ? kLetters
                                                                       : kMostSymbols;
  if (options.size < least || options.size > most) {
    throw Error(ErrorKind::kConfig, "size of task '" + to_string(options.task) + "': expected " +
                                        std::to_string(least) + " to " + std::to_string(most) +
                                        ", found " + std::to_string(options.size));
  }
}

std::int64_t SequenceGenerator::inputs() const {
  switch (options_.task) {
    case SequenceTask::kCopy:
      return 3 * options_.size;
    case SequenceTask::kReverse:
      return 2 * options_.size;
    case SequenceTask::kRetrieval:
      return 2 * options_.size + 2;
    case SequenceTask::kQuadratic:
      return kQuadraticInputs;
    case SequenceTask::kRecall:
      return options_.size + 2 * kPairs;
  }
  throw Error(ErrorKind::kInternal, "unknown sequence task");
}

std::int64_t SequenceGenerator::segment_tokens(std::int64_t segments) const {
  const std::int64_t all = inputs();
  LETHE_ASSERT(segments > 0, "a sequence has segments");
  const std::int64_t each = (all + segments - 1) / segments, needed = (all + each - 1) / each;
  if (needed == segments) return each;
  throw Error(ErrorKind::kConfig,
              "segments of task '" + to_string(options_.task) + "': its " + std::to_string(all) +
                  " tokens cannot be cut into " + std::to_string(segments) + " equal segments; " +
                  std::to_string(needed) + " of " + std::to_string(each) + " hold them");
}

SequenceSample SequenceGenerator::drawn(std::uint64_t seed) const {
  RandomStream random(seed);
  switch (options_.task) {
    case SequenceTask::kCopy:
    case SequenceTask::kReverse:
      return symbols_sample(options_, random);
    case SequenceTask::kRetrieval:
      return retrieval_sample(options_, random);
    case SequenceTask::kQuadratic:
      return quadratic_sample(vocabulary_, seed);
    case SequenceTask::kRecall:
      return recall_sample(options_, random);
  }
  throw Error(ErrorKind::kInternal, "unknown sequence task");
}

SequenceSample SequenceGenerator::sample(std::uint64_t seed, SequenceSplit split) const {
  RandomStream tries(derive_seed(seed, "sequence"));
  SequenceSample sample = drawn(tries.next());
  while (split_of(sample) != split) sample = drawn(tries.next());
  return sample;
}

std::string SequenceGenerator::text(std::span<const std::int64_t> tokens) const {
  std::string text;
  for (const std::int64_t id : tokens) {
    const std::string& symbol = vocabulary_.at(static_cast<std::size_t>(id));
    if (symbol == "<pad>") continue;
    if (options_.task == SequenceTask::kRecall && !text.empty()) text += ' ';
    text += symbol;
  }
  return text;
}

double SequenceGenerator::score(const SequenceSample& sample,
                                std::span<const std::int64_t> found) const {
  const std::span<const std::int64_t> tokens(sample.tokens);
  LETHE_ASSERT(static_cast<std::int64_t>(found.size()) == sample.target_end - sample.target_begin,
               "one token for each of the target");
  const auto skipped = static_cast<std::size_t>(sample.answer_begin - sample.target_begin);
  const auto wanted =
      tokens.subspan(static_cast<std::size_t>(sample.answer_begin), found.size() - skipped);
  std::int64_t right = 0, count = 0;
  const auto step = static_cast<std::size_t>(sample.target_step);
  for (std::size_t i = step - 1; i < wanted.size(); i += step, ++count) {
    right += found[skipped + i] == wanted[i];
  }
  if (options_.task == SequenceTask::kQuadratic) return right == count ? 1.0 : 0.0;
  return static_cast<double>(right) / static_cast<double>(count);
}

}  // namespace lethe::tasks
