// SPDX-License-Identifier: Apache-2.0
#include "tasks/retention.h"

#include <algorithm>

#include "harness/base/error.h"
#include "harness/base/hash.h"
#include "harness/base/text.h"
#include "tasks/datasets/word_tags.h"
#include "tasks/metrics/retention.h"

namespace lethe::tasks {

namespace {

/// Collects what left where.
class Recorder final : public models::EvaluationObserver {
 public:
  explicit Recorder(std::int64_t tokens) : tokens_(tokens) {}

  void evicted(std::int64_t step, int layer, int head, std::int64_t position, double) override {
    place(layer, head).left(step, position);
  }
  void kept(int layer, int head, std::span<const std::int64_t>) override { place(layer, head); }

  /// By layer and KV head (-1: the whole layer).
  const std::map<std::pair<int, int>, TokenLives>& places() const { return places_; }

 private:
  TokenLives& place(int layer, int head) {
    return places_.try_emplace({layer, head}, tokens_).first->second;
  }

  std::int64_t tokens_;
  std::map<std::pair<int, int>, TokenLives> places_;
};

/// A mean on its way.
struct Mean {
  double sum = 0;
  std::int64_t count = 0;

  void add(double value) {
    sum += value;
    ++count;
  }
  json::value value() const {
    return count == 0 ? json::value() : json::value(sum / static_cast<double>(count));
  }
};

/// `budget_in` gives what a layer keeps, nothing where nothing bounds it.
template <typename BudgetIn>
json::object summary_of(const Recorder& recorder, const BudgetIn& budget_in,
                        const std::vector<std::string>& tags) {
  Mean recency, lifetime;
  std::map<int, Mean> layers;
  std::vector<Mean> first;
  std::map<std::string, Mean> by_tag;
  std::map<std::string, std::int64_t> counts;
  for (const auto& tag : tags) {
    if (!tag.empty()) ++counts[tag];
  }
  for (const auto& [place, lives] : recorder.places()) {
    const std::optional<std::int64_t> budget = budget_in(place.first);
    Mean& layer = layers[place.first];
    if (budget) {
      if (const auto share = lives.recency_share(*budget)) {
        recency.add(*share);
        layer.add(*share);
      }
    }
    lifetime.add(lives.mean_lifetime());
    first.resize(
        static_cast<std::size_t>(std::min(RetentionTask::kFirstPositions, lives.tokens())));
    for (std::size_t i = 0; i < first.size(); ++i) {
      first[i].add(static_cast<double>(lives.lifetime(static_cast<std::int64_t>(i))));
    }
    for (std::size_t i = 0; i < tags.size(); ++i) {
      if (tags[i].empty()) continue;
      by_tag[tags[i]].add(static_cast<double>(lives.lifetime(static_cast<std::int64_t>(i))));
    }
  }
  json::object out{{"recency_share", recency.value()}, {"mean_lifetime", lifetime.value()}};
  json::array& shares = out["layers"].emplace_array();
  for (const auto& [layer, mean] : layers) shares.push_back(mean.value());
  json::array& positions = out["first"].emplace_array();
  for (const Mean& mean : first) positions.push_back(mean.value());
  json::object& of_tags = out["tags"].emplace_object();
  for (const auto& [tag, mean] : by_tag) {
    of_tags[tag] = {{"tokens", counts[tag]}, {"mean_lifetime", mean.value()}};
  }
  return out;
}

}  // namespace

RetentionOptions RetentionOptions::parse(const json::object& object,
                                         const std::filesystem::path& root) {
  const json::value holder(object);
  ObjectReader reader(holder, "task retention", ErrorKind::kConfig);
  RetentionOptions options;
  if (reader.find("tags")) options.tags = look_for(reader.string("tags"), root);
  json::object rest = object;
  rest.erase("tags");
  options.text = Pg19Options::parse(rest, root);
  return options;
}

RetentionTask::RetentionTask(const RetentionOptions& options, std::int64_t length)
    : Pg19Task("retention", options.text, length) {
  if (options.tags.empty()) return;
  for (const auto& book : streams()) {
    const auto path = options.tags / (book.name + ".tsv");
    const std::string content = read_text_file(path);
    tags_[book.name] = {parse_word_tags(content, path.string()), sha256_hex(content)};
  }
}

json::object RetentionTask::identity() const {
  json::object out = Pg19Task::identity();
  out["version"] = kVersion;
  if (!tags_.empty()) {
    json::object& hashes = out["tags"].emplace_object();
    for (const auto& [book, tags] : tags_) hashes[book] = tags.sha256;
  }
  return out;
}

std::vector<std::string> RetentionTask::tags_of(const std::string& sample_id,
                                                std::span<const std::int64_t> tokens,
                                                const models::Tokenizer& tokenizer) const {
  if (tags_.empty()) return {};
  const std::string book = sample_id.substr(0, sample_id.find('/'));
  const auto& words = tags_.at(book).words;
  const auto stream = std::ranges::find(streams(), book, &Stream::name);
  const std::string text = read_text_file(stream->texts.front().path);
  std::vector<std::string> pieces;
  std::string window;
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    const bool bos = i == 0 && bos_count(sample_id, tokenizer) > 0;
    pieces.push_back(bos ? "" : tokenizer.decode({tokens[i]}, /*skip_special=*/false));
    window += pieces.back();
  }
  // Some tokenizers put a space before a text.
  std::size_t space = 0;
  std::size_t at = text.find(window);
  if (at == std::string::npos && window.starts_with(' ')) {
    space = 1;
    at = text.find(window.substr(1));
  }
  if (at == std::string::npos) {
    throw Error(ErrorKind::kData, "task retention: sample " + sample_id +
                                      ": its tokens do not give the text of the book back, so "
                                      "that words cannot be found in it; leave \"tags\" out");
  }
  std::vector<std::string> tags;
  for (const auto& piece : pieces) {
    const std::size_t skipped = std::min(space, piece.size());
    tags.push_back(tag_of_token(words, at, std::string_view(piece).substr(skipped)));
    at += piece.size() - skipped;
    space -= skipped;
  }
  return tags;
}

std::optional<double> RetentionTask::rescore(const std::string& output) {
  const json::value value = parse_json(output, "output of task retention", ErrorKind::kData);
  ObjectReader reader(value, "output of task retention", ErrorKind::kData);
  Mean shares;
  for (const json::value& share : reader.array("layers")) {
    if (share.is_null()) continue;
    if (!share.is_number()) {
      throw Error(ErrorKind::kData, reader.where("layers") + ": expected numbers or null, found " +
                                        std::string(describe_type(share)));
    }
    shares.add(share.to_number<double>());
  }
  if (shares.count == 0) return std::nullopt;
  return shares.sum / static_cast<double>(shares.count);
}

SampleOutcome RetentionTask::run(const std::string& sample_id, const models::Tokenizer& tokenizer,
                                 const models::Model& model, const RunSettings& settings) const {
  const auto tokens = window(sample_id, tokenizer);
  const auto tags = tags_of(sample_id, tokens, tokenizer);
  Recorder recorder(static_cast<std::int64_t>(tokens.size()));
  RunSettings observed = settings;
  observed.evaluate.observer = &recorder;
  observed.evaluate.keeper = nullptr;
  SampleOutcome outcome = Pg19Task::run(sample_id, tokenizer, model, observed);
  for (const auto& layer : outcome.layers) {
    if (layer.lost == 0) continue;
    throw Error(ErrorKind::kConfig,
                "task retention: the model's own sliding window drops tokens within " +
                    std::to_string(tokens.size()) +
                    ": what is kept would not be the policy's doing; choose a length within the "
                    "window");
  }
  const auto& config = model.config();
  const auto budget_in = [&](int layer) {
    const policies::LayerContext context{layer, static_cast<int>(config.n_layers),
                                         static_cast<int>(config.n_kv_heads),
                                         static_cast<int>(config.n_heads / config.n_kv_heads)};
    return settings.budget
               ? std::optional(budget_in_layer(settings.policy, context, *settings.budget))
               : std::nullopt;
  };
  const json::object summary = summary_of(recorder, budget_in, tags);
  outcome.output = canonical_json(summary);
  const json::value& share = summary.at("recency_share");
  if (!share.is_null()) outcome.score = share.to_number<double>();
  return outcome;
}

}  // namespace lethe::tasks
