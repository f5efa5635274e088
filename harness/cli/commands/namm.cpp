// SPDX-License-Identifier: Apache-2.0
// What a NAMM keeps, and why: the analyses of arXiv 2410.13166 on one text.
#include <algorithm>
#include <array>
#include <cctype>
#include <cmath>
#include <iostream>
#include <map>
#include <memory>
#include <optional>

#include "harness/base/error.h"
#include "harness/base/seed.h"
#include "harness/base/text.h"
#include "harness/cli/commands/commands.h"
#include "harness/cli/models.h"
#include "harness/cli/root.h"
#include "models/engine/evaluate.h"
#include "models/tokenizer/tokenizer.h"
#include "policies/namm/namm.h"
#include "policies/namm/scorer.h"
#include "reports/heat_map.h"
#include "reports/plot.h"
#include "tasks/memory/sequence_tasks.h"

namespace lethe::cli {

namespace {

namespace fs = std::filesystem;
using policies::kNammFeatures;

constexpr std::size_t kProbedHeads = 24;  // (layer, KV head) pairs that features are changed in …
constexpr std::size_t kProbedTokens = 8;  // … and tokens of each
constexpr float kStep = 0.01F;            // by so much: the features are of order 1
constexpr std::size_t kShownTokens = 48;  // columns of the map of scores

struct Text {
  std::vector<std::int64_t> tokens;
  std::vector<std::string> words;  ///< of each token, as people read it
  std::vector<std::string> kinds;  ///< of each token
};

std::string kind_of_word(const std::string& symbol) {
  switch (symbol.front()) {
    case 'k':
      return "key";
    case 'v':
      return "value";
    case 'n':
      return "noise";
    default:
      return "question";
  }
}

// What a token of prose is, by the text it stands for.
std::string kind_of_piece(const std::string& piece) {
  const auto first =
      std::ranges::find_if(piece, [](unsigned char c) { return std::isspace(c) == 0; });
  if (first == piece.end()) return "white space";
  const auto c = static_cast<unsigned char>(*first);
  if (std::isdigit(c) != 0) return "number";
  if (std::ispunct(c) != 0) return "punctuation";
  if (first == piece.begin()) return "inside a word";
  return std::isupper(c) != 0 ? "capitalised word" : "word";
}

Text text_of(const Options& options, const models::Tokenizer& tokenizer) {
  Text text;
  if (const auto file = options.find("text")) {
    text.tokens = tokenizer.encode(read_file(*file, ErrorKind::kData), true);
    const auto limit = static_cast<std::size_t>(options.integer("length", 1024, 64, 1 << 20));
    if (text.tokens.size() > limit) text.tokens.resize(limit);
    for (const std::int64_t id : text.tokens) {
      text.words.push_back(tokenizer.decode_text({id}, false));
      text.kinds.push_back(kind_of_piece(text.words.back()));
    }
    return text;
  }
  const std::int64_t length = options.integer("length", 512, 80, 1 << 16);
  const std::int64_t asked = 2 * 16;
  const tasks::SequenceGenerator generator({tasks::SequenceTask::kRecall, length - asked});
  if (tokenizer.vocab_size() != std::ssize(generator.vocabulary())) {
    throw Error(
        ErrorKind::kConfig,
        "expected --text FILE for a model that was not trained on the words of task recall");
  }
  const auto seed =
      derive_seed(static_cast<std::uint64_t>(options.integer("sample", 0, 0)), "namm");
  auto sample = generator.sample(seed, tasks::SequenceSplit::kTest);
  sample.tokens.pop_back();  // only predicted
  text.tokens = std::move(sample.tokens);
  for (const std::int64_t id : text.tokens) {
    text.words.push_back(generator.vocabulary()[static_cast<std::size_t>(id)]);
    text.kinds.push_back(kind_of_word(text.words.back()));
  }
  return text;
}

/// Mean effect of a change of one feature of a token on scores, per unit: on its own score, and on
/// those of all other tokens together.
struct Sensitivity {
  std::array<double, kNammFeatures> own{}, others{};
  double probes = 0;
};

/// Gathers everything while the model runs. Layers come one after another within a chunk.
class Gatherer final : public policies::NammObserver {
 public:
  Gatherer(std::shared_ptr<const policies::NammParameters> parameters, const Text& text)
      : parameters_(std::move(parameters)), scorer_(parameters_), text_(text) {}

  struct Update {
    std::int64_t step = 0;
    double cached = 0, kept = 0, age = 0;  ///< means over KV heads; age of what is kept
  };
  struct Layer {
    std::vector<Update> updates;
    std::map<std::string, std::pair<double, double>> kinds;  ///< of the last update: kept, seen
    std::vector<std::pair<std::int64_t, double>> scores;     ///< likewise: position, mean score
  };

  void updated(const policies::LayerContext& context, std::int64_t step,
               std::span<const policies::NammHeadUpdate> heads) override {
    layers_.resize(static_cast<std::size_t>(context.n_layers));
    Layer& layer = layers_[static_cast<std::size_t>(context.layer)];
    Update update{.step = step};
    layer.kinds.clear();
    std::map<std::int64_t, std::pair<double, double>> scores;  // by position: sum, count
    const auto count = static_cast<double>(heads.size());
    for (const auto& head : heads) {
      double kept = 0, age = 0;
      for (std::size_t i = 0; i < head.positions.size(); ++i) {
        auto& [sum, n] = scores[head.positions[i]];
        sum += static_cast<double>(head.scores[i]);
        ++n;
        if (head.kept[i] == 0) continue;
        ++kept;
        age += static_cast<double>(step - head.positions[i]);
        layer.kinds[text_.kinds[static_cast<std::size_t>(head.positions[i])]].first += 1 / count;
      }
      update.cached += static_cast<double>(head.positions.size()) / count;
      update.kept += kept / count;
      update.age += kept > 0 ? age / kept / count : 0;
    }
    for (std::int64_t p = 0; p <= step; ++p) {
      ++layer.kinds[text_.kinds[static_cast<std::size_t>(p)]].second;
    }
    layer.scores.clear();
    for (const auto& [position, sum] : scores) {
      layer.scores.emplace_back(position, sum.first / sum.second);
    }
    layer.updates.push_back(update);
    for (const auto& head : heads) probe(head);
  }

  const std::vector<Layer>& layers() const { return layers_; }
  const Sensitivity& sensitivity() const { return sensitivity_; }

 private:
  // The network's derivatives by central differences; what it sees is small, so any text does.
  void probe(const policies::NammHeadUpdate& head) {
    const std::size_t tokens = head.positions.size();
    if (tokens < 2 * kProbedTokens || probed_ >= kProbedHeads) return;
    ++probed_;
    std::vector<float> x = policies::namm_features(*parameters_, head.positions, *head.spectrum);
    std::vector<float> up(tokens), down(tokens);
    for (std::size_t t = 0; t < kProbedTokens; ++t) {
      const std::size_t token = tokens * (2 * t + 1) / (2 * kProbedTokens);
      for (std::size_t f = 0; f < kNammFeatures; ++f) {
        float& value = x[token * kNammFeatures + f];
        const float before = value;
        value = before + kStep;
        scorer_.score(x, up);
        value = before - kStep;
        scorer_.score(x, down);
        value = before;
        for (std::size_t i = 0; i < tokens; ++i) {
          const double slope = std::abs(static_cast<double>(up[i]) - static_cast<double>(down[i])) /
                               (2.0 * static_cast<double>(kStep));
          (i == token ? sensitivity_.own : sensitivity_.others)[f] += slope;
        }
      }
      ++sensitivity_.probes;
    }
  }

  std::shared_ptr<const policies::NammParameters> parameters_;
  policies::NammScorer scorer_;
  const Text& text_;
  std::vector<Layer> layers_;
  Sensitivity sensitivity_;
  std::size_t probed_ = 0;
};

std::vector<std::string> feature_names() {
  std::vector<std::string> names;
  for (int j = 0; j < 4; ++j) names.push_back("age sin " + std::to_string(j));
  for (int j = 0; j < 4; ++j) names.push_back("age cos " + std::to_string(j));
  for (std::size_t k = 0; k < policies::kNammBins; ++k) {
    names.push_back("freq " + std::to_string(k));
  }
  return names;
}

/// Cache size after every update, and by layer at the end with the mean age of what is kept.
reports::PlotFigure cache_figure(const Gatherer& gathered) {
  reports::PlotFigure figure{"cache", "What is kept", {}};
  reports::PlotPanel over{.title = "tokens kept after an update",
                          .x_label = "tokens read",
                          .y_label = "mean over KV heads",
                          .series = {},
                          .level = {},
                          .linear_x = true,
                          .from_zero = true};
  reports::PlotPanel size = over, age = over;
  size.title = "kept at the end";
  size.x_label = age.x_label = "layer";
  age.title = "mean age at the end";
  age.y_label = "tokens";
  reports::PlotSeries kept{"kept", 0, {}}, ages{"age", 1, {}};
  const auto& layers = gathered.layers();
  for (std::size_t l = 0; l < layers.size(); ++l) {
    // First, middle and last layer stand for the others.
    if (l == 0 || l == layers.size() / 2 || l + 1 == layers.size()) {
      reports::PlotSeries series{"layer " + std::to_string(l), over.series.size() + 2, {}};
      for (const auto& update : layers[l].updates) {
        series.points.push_back({static_cast<double>(update.step + 1), update.kept, {}, {}});
      }
      over.series.push_back(std::move(series));
    }
    const auto& last = layers[l].updates.back();
    kept.points.push_back({static_cast<double>(l), last.kept, {}, {}});
    ages.points.push_back({static_cast<double>(l), last.age, {}, {}});
  }
  size.series.push_back(std::move(kept));
  age.series.push_back(std::move(ages));
  figure.panels = {std::move(over), std::move(size), std::move(age)};
  return figure;
}

/// Share of the tokens of each kind that is still there, by layer.
reports::HeatMap kinds_map(const Gatherer& gathered) {
  reports::HeatMap map{.name = "kinds",
                       .title = "Share of the tokens of a kind that is kept at the last update",
                       .x_label = "kind",
                       .y_label = "layer",
                       .columns = {},
                       .rows = {},
                       .panels = {}};
  for (const auto& [kind, counts] : gathered.layers().front().kinds) map.columns.push_back(kind);
  reports::HeatMap::Panel panel;
  for (std::size_t l = 0; l < gathered.layers().size(); ++l) {
    map.rows.push_back(std::to_string(l));
    auto& row = panel.rows.emplace_back();
    for (const std::string& kind : map.columns) {
      const auto& kinds = gathered.layers()[l].kinds;
      const auto found = kinds.find(kind);
      row.emplace_back(found == kinds.end()
                           ? std::nullopt
                           : std::optional(found->second.first / found->second.second));
    }
  }
  map.panels.push_back(std::move(panel));
  return map;
}

/// Scores of the newest cached tokens at the last update, by layer; empty where a token has left.
reports::HeatMap scores_map(const Gatherer& gathered, const Text& text) {
  reports::HeatMap map{.name = "scores",
                       .title = "Scores over the last tokens of the last update",
                       .x_label = "token",
                       .y_label = "layer",
                       .columns = {},
                       .rows = {},
                       .panels = {}};
  const auto& layers = gathered.layers();
  const std::int64_t end = layers.front().updates.back().step + 1;
  const std::int64_t begin =
      std::max<std::int64_t>(0, end - static_cast<std::int64_t>(kShownTokens));
  for (std::int64_t p = begin; p < end; ++p) {
    map.columns.push_back(text.words[static_cast<std::size_t>(p)]);
  }
  reports::HeatMap::Panel panel;
  double low = 0, high = 0;
  for (std::size_t l = 0; l < layers.size(); ++l) {
    map.rows.push_back(std::to_string(l));
    auto& row = panel.rows.emplace_back(map.columns.size());
    for (const auto& [position, score] : layers[l].scores) {
      if (position < begin) continue;
      row[static_cast<std::size_t>(position - begin)] = score;
      low = std::min(low, score);
      high = std::max(high, score);
    }
  }
  map.low = low;
  map.high = high > low ? high : low + 1;
  map.panels.push_back(std::move(panel));
  return map;
}

reports::PlotFigure features_figure(const Sensitivity& found) {
  reports::PlotFigure figure{"features", "How much a score changes with a feature", {}};
  for (const bool own : {true, false}) {
    reports::PlotPanel panel{.title = own ? "a token's own score" : "all other tokens' scores",
                             .x_label = "feature: 0-7 age, 8-24 frequency",
                             .y_label = "mean |change of score| per unit",
                             .series = {},
                             .level = {},
                             .linear_x = true,
                             .from_zero = true,
                             .one_axis = true};
    reports::PlotSeries series{own ? "own" : "others", own ? 0U : 1U, {}};
    for (std::size_t f = 0; f < kNammFeatures; ++f) {
      const double sum = own ? found.own[f] : found.others[f];
      series.points.push_back({static_cast<double>(f), sum / found.probes, {}, {}});
    }
    panel.series.push_back(std::move(series));
    figure.panels.push_back(std::move(panel));
  }
  return figure;
}

json::object numbers(const Gatherer& gathered) {
  json::array layers;
  for (const auto& layer : gathered.layers()) {
    json::array updates, scores;
    for (const auto& update : layer.updates) {
      updates.push_back({{"tokens_read", update.step + 1},
                         {"cached", update.cached},
                         {"kept", update.kept},
                         {"mean_age", update.age}});
    }
    json::object kinds;
    for (const auto& [kind, counts] : layer.kinds) {
      kinds[kind] = {{"kept", counts.first}, {"seen", counts.second}};
    }
    for (const auto& [position, score] : layer.scores) scores.push_back({position, score});
    layers.push_back(
        {{"updates", std::move(updates)}, {"kinds", std::move(kinds)}, {"scores", scores}});
  }
  const Sensitivity& found = gathered.sensitivity();
  json::array features;
  const auto names = feature_names();
  for (std::size_t f = 0; f < kNammFeatures && found.probes > 0; ++f) {
    features.push_back({{"feature", names[f]},
                        {"own", found.own[f] / found.probes},
                        {"others", found.others[f] / found.probes}});
  }
  return {{"layers", std::move(layers)}, {"features", std::move(features)}};
}

std::shared_ptr<const policies::NammParameters> parameters_of(const std::string& weights) {
  const fs::path shipped = root_folder() / "data" / "checkpoints" / weights / "namm.json";
  return std::make_shared<const policies::NammParameters>(
      policies::read_namm_file(fs::is_regular_file(shipped) ? shipped : fs::path(weights)));
}

}  // namespace

int run_namm(const Options& options) {
  const std::string weights = options.text("weights", "namm-recall-1");
  const auto parameters = parameters_of(weights);
  const auto resolved = resolve_model(options.text("model", "recall"));
  const auto tokenizer = models::open_tokenizer(resolved.path);
  const Text text = text_of(options, *tokenizer);
  if (std::ssize(text.tokens) < parameters->update_interval) {
    throw Error(ErrorKind::kConfig, "expected a text of at least " +
                                        std::to_string(parameters->update_interval) +
                                        " tokens, the interval of " + weights + ", found " +
                                        std::to_string(text.tokens.size()));
  }
  const auto model = models::load_model(*models::open_checkpoint(resolved.path),
                                        models::parse_dtype(options.text("dtype", "float32")));
  Gatherer gathered(parameters, text);
  models::EvaluateOptions evaluate;
  evaluate.schedule =
      policies::Schedule::parse("block:" + std::to_string(parameters->update_interval));
  policies::NammOptions policy;
  if (options.has("budget")) {
    policy.cap = true;
    evaluate.budget = options.integer("budget", 0, 1);
  }
  const auto result = model->evaluate(
      text.tokens, policies::make_namm_plan(parameters, policy, &gathered), evaluate);

  const fs::path out = options.text("out", "namm");
  std::error_code ec;
  fs::create_directories(out, ec);
  reports::draw(cache_figure(gathered), out);
  const auto kinds = kinds_map(gathered);
  const auto scores = scores_map(gathered, text);
  reports::draw_script(kinds.name, reports::heat_map_script(kinds), out);
  reports::draw_script(scores.name, reports::heat_map_script(scores), out);
  if (gathered.sensitivity().probes > 0) {
    reports::draw(features_figure(gathered.sensitivity()), out);
  }
  json::object all{{"model", resolved.name},
                   {"weights", weights},
                   {"weights_sha256", policies::namm_content_sha256(*parameters)},
                   {"tokens", text.tokens.size()},
                   {"budget", evaluate.budget ? json::value(*evaluate.budget) : json::value()}};
  // (The words of recall were never predicted: only its answers were learnt.)
  if (options.has("text")) {
    double nll = 0;
    for (const double value : result.nll) nll += value;
    all["mean_nll"] = nll / static_cast<double>(result.nll.size());
  }
  for (auto& member : numbers(gathered)) all[member.key()] = member.value();
  write_file_atomically(out / "namm.json", json::serialize(all) + "\n");

  const auto& layers = gathered.layers();
  std::cout << text.tokens.size() << " tokens; kept at the end, by layer:";
  for (const auto& layer : layers) std::cout << ' ' << fixed(layer.updates.back().kept, 1);
  std::cout << "\nshare kept, by kind (mean over layers):";
  for (const std::string& kind : kinds.columns) {
    double share = 0;
    for (const auto& layer : layers) {
      const auto found = layer.kinds.find(kind);
      if (found != layer.kinds.end()) share += found->second.first / found->second.second;
    }
    std::cout << ' ' << kind << ' ' << fixed(100 * share / static_cast<double>(layers.size()), 1)
              << " %;";
  }
  std::cout << "\nplots and numbers: " << out.string() << "\n";
  return kExitOk;
}

}  // namespace lethe::cli
