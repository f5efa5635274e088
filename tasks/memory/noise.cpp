// SPDX-License-Identifier: Apache-2.0
#include "tasks/memory/noise.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

#include "harness/base/error.h"
#include "harness/base/names.h"
#include "harness/base/seed.h"
#include "tasks/datasets/pg19_books.h"
#include "tasks/window_options.h"

namespace lethe::tasks {
namespace {

constexpr double kFunctionWords = 0.08;
// Probabilities are rounded to this many parts: four tokens come out of one random number.
constexpr std::size_t kParts = std::size_t{1} << 16;

RandomStream segment_stream(std::uint64_t seed, std::int64_t segment) {
  return RandomStream(derive_seed(seed, "noise/" + std::to_string(segment)));
}

void check_rate(double confusers) {
  if (confusers >= 0 && confusers <= 0.5) return;
  throw Error(ErrorKind::kConfig, "confusers: expected a share of tokens from 0 to 0.5, found " +
                                      std::to_string(confusers));
}

class WordNoise final : public Noise {
 public:
  explicit WordNoise(const std::vector<std::pair<std::int64_t, double>>& weights) {
    double total = 0, sum = 0;
    for (const auto& [id, weight] : weights) total += weight;
    std::size_t filled = 0;
    for (const auto& [id, weight] : weights) {
      sum += weight;
      const auto end = static_cast<std::size_t>(std::llround(sum / total * kParts));
      std::fill(table_.begin() + static_cast<std::ptrdiff_t>(filled),
                table_.begin() + static_cast<std::ptrdiff_t>(end), static_cast<std::int32_t>(id));
      filled = end;
    }
  }

  void fill(std::uint64_t seed, std::int64_t segment, std::span<std::int64_t> out) const override {
    RandomStream stream = segment_stream(seed, segment);
    std::uint64_t bits = 0;
    for (std::size_t i = 0; i < out.size(); ++i, bits >>= 16) {
      if (i % 4 == 0) bits = stream.next();
      out[i] = table_[bits % kParts];
    }
  }

 private:
  std::array<std::int32_t, kParts> table_{};
};

class TextNoise final : public Noise {
 public:
  TextNoise(std::shared_ptr<const std::vector<std::int64_t>> pool, std::int64_t document,
            std::vector<std::int64_t> confuser_ids, double confusers)
      : pool_(std::move(pool)),
        document_(document),
        confuser_ids_(std::move(confuser_ids)),
        confusers_(confusers) {}

  void fill(std::uint64_t seed, std::int64_t segment, std::span<std::int64_t> out) const override {
    RandomStream stream = segment_stream(seed, segment);
    const auto size = static_cast<std::uint64_t>(pool_->size());
    std::uint64_t first = 0, period = size, offset = 0;
    if (document_ > 0) {
      first = RandomStream(derive_seed(seed, "document")).below(size);
      period = static_cast<std::uint64_t>(document_);
      offset = static_cast<std::uint64_t>(segment) * out.size();
    } else {
      first = stream.below(size);
    }
    for (std::size_t i = 0; i < out.size(); ++i) {
      out[i] = (*pool_)[(first + (offset + i) % period) % size];
      if (confusers_ > 0 && stream.uniform() < confusers_) {
        out[i] = confuser_ids_[stream.below(confuser_ids_.size())];
      }
    }
  }

 private:
  std::shared_ptr<const std::vector<std::int64_t>> pool_;
  std::int64_t document_;
  std::vector<std::int64_t> confuser_ids_;
  double confusers_;
};

}  // namespace

std::vector<std::int64_t> word_ids(const models::Tokenizer& tokenizer, const std::string& word) {
  // A byte-level tokenizer writes words of a sentence with the space before them.
  const bool sign = word == "." || word == "?";
  auto ids = tokenizer.encode(sign ? word : " " + word, false);
  const auto unknown = tokenizer.encode("\xF0\x93\x80\x80", false);  // a hieroglyph
  if (ids.empty() || (ids.size() == 1 && unknown.size() == 1 && ids == unknown)) {
    throw Error(ErrorKind::kModel, "vocabulary mismatch: expected a tokenizer that knows '" + word +
                                       "', a word of the task, found none in a vocabulary of " +
                                       std::to_string(tokenizer.vocab_size()) +
                                       "; use a checkpoint that was trained for this task");
  }
  return ids;
}

std::shared_ptr<const Noise> word_noise(const models::Tokenizer& tokenizer,
                                        const std::vector<std::int64_t>& confuser_ids,
                                        double confusers) {
  check_rate(confusers);
  const auto last_of_facts = word_ids(tokenizer, "kitchen");
  const std::int64_t first = last_of_facts.front() + 1, end = tokenizer.vocab_size();
  // The layout of data/rmt/tokenizer.json; see its ORIGIN.md.
  if (last_of_facts.size() != 1 || end - first < 16 || end > 4096) {
    throw Error(ErrorKind::kModel,
                "noise: expected the vocabulary of data/rmt/tokenizer.json (words of facts, then "
                "noise words) for noise \"words\", found one of " +
                    std::to_string(end) + " tokens; use noise \"pg19\" or \"document\"");
  }
  std::vector<std::pair<std::int64_t, double>> weights;
  double harmonic = 0;
  for (std::int64_t id = first; id < end; ++id)
    harmonic += 1.0 / static_cast<double>(id - first + 1);
  const double plain = 1.0 - confusers - kFunctionWords;
  for (std::int64_t id = first; id < end; ++id) {
    weights.emplace_back(id, plain / static_cast<double>(id - first + 1) / harmonic);
  }
  for (const char* word : {"the", "to", "of"}) {
    weights.emplace_back(word_ids(tokenizer, word).front(), kFunctionWords / 3);
  }
  if (confusers > 0) {
    for (const std::int64_t id : confuser_ids) {
      weights.emplace_back(id, confusers / static_cast<double>(confuser_ids.size()));
    }
  }
  return std::make_shared<WordNoise>(weights);
}

std::shared_ptr<const Noise> text_noise(std::shared_ptr<const std::vector<std::int64_t>> pool,
                                        std::int64_t document,
                                        const std::vector<std::int64_t>& confuser_ids,
                                        double confusers) {
  check_rate(confusers);
  if (pool->empty()) throw Error(ErrorKind::kData, "noise: the text has no tokens");
  return std::make_shared<TextNoise>(std::move(pool), document, confuser_ids, confusers);
}

NoiseSource NoiseSource::read(ObjectReader& reader, const std::filesystem::path& root) {
  const std::vector<std::string> kinds{"words", "pg19", "document"};
  NoiseSource source;
  source.kind = reader.string("noise", source.kind);
  if (std::ranges::find(kinds, source.kind) == kinds.end()) {
    throw unknown_name(ErrorKind::kConfig, reader.where("noise") + ": noise", source.kind, kinds);
  }
  source.data = look_for(reader.string("data", "data/samples/pg19"), root);
  source.document_tokens = at_least(reader.integer("document_tokens", source.document_tokens), 1,
                                    reader.where("document_tokens"));
  return source;
}

json::object NoiseSource::hashes() const {
  json::object hashes;
  if (kind == "words") return hashes;
  const Pg19Books books(data);
  for (const auto& id : books.ids()) hashes[id] = books.read(id).sha256;
  return hashes;
}

NoiseFactory::NoiseFactory(NoiseSource source, const models::Tokenizer& tokenizer,
                           std::vector<std::int64_t> confuser_ids)
    : source_(std::move(source)), tokenizer_(tokenizer), confuser_ids_(std::move(confuser_ids)) {}

std::shared_ptr<const Noise> NoiseFactory::make(double confusers) {
  if (source_.kind == "words") return word_noise(tokenizer_, confuser_ids_, confusers);
  if (!pool_) {
    const Pg19Books books(source_.data);
    std::vector<std::int64_t> pool;
    for (const auto& id : books.ids()) {
      const auto ids = tokenizer_.encode(books.read(id).text, false);
      pool.insert(pool.end(), ids.begin(), ids.end());
    }
    pool_ = std::make_shared<const std::vector<std::int64_t>>(std::move(pool));
  }
  return text_noise(pool_, source_.kind == "document" ? source_.document_tokens : 0, confuser_ids_,
                    confusers);
}

}  // namespace lethe::tasks
