// SPDX-License-Identifier: Apache-2.0
// namm: a small evolved network judges every cached token from the attention it received.
//
// NAMM, arXiv 2410.13166, section 3, in the form of its released code. All rows of attention are
// read, as the mean over the query heads of each KV head. Every n_up tokens (the schedule
// block:n_up), per layer:
//   omega_h[j] = time-averaged spectrum of the attention that token j received (spectrogram.h)
//   s_h[j]     = network(age of j, omega_h[j]), the same network in all layers (scorer.h)
//   n          = max over the KV heads of #{j: s_h[j] >= 0}
// and every head keeps its n highest scores: those that have fewer than n at or above zero keep
// their next best, which are attended to like the others. The newest token always stays. cap=true:
// n is at most the budget. Ties go to the oldest. A head that a sliding window left fewer than n
// keeps what it has.
#include "policies/namm/namm.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "harness/base/names.h"
#include "policies/lowest.h"
#include "policies/namm/scorer.h"
#include "policies/options.h"

namespace lethe::policies {
namespace {

namespace fs = std::filesystem;

const std::vector<std::string> kYesNo = {"false", "true"};
constexpr const char* kFileName = "namm.json";

class Namm final : public EvictionPolicy {
 public:
  Namm(std::shared_ptr<const NammScorer> scorer, const NammOptions& options,
       const LayerContext& layer, NammObserver* observer)
      : scorer_(std::move(scorer)), options_(options), layer_(layer), observer_(observer) {}

  void observe(const CacheView& view) override {
    heads_.resize(view.heads.size());
    for (std::size_t h = 0; h < view.heads.size(); ++h) {
      const AttentionRows& attention = view.heads[h].attention;
      for (int row = 0; row < attention.rows(); ++row) {
        row_.resize(attention.cached());
        attention.mean_over_heads(row, row_);
        heads_[h].add_row(row_);
      }
    }
  }

  void select(const CacheView& view, std::size_t budget, EvictionPlan& plan) override {
    scores_.resize(view.heads.size());
    std::size_t wanted = 0;
    for (std::size_t h = 0; h < view.heads.size(); ++h) {
      score(view, h);
      // The newest stays whatever its score.
      const auto above = std::count_if(scores_[h].begin(), scores_[h].end() - 1,
                                       [](float value) { return value >= 0; });
      wanted = std::max(wanted, static_cast<std::size_t>(above) + 1);
    }
    const std::size_t kept = options_.cap ? std::min(wanted, budget) : wanted;
    for (std::size_t h = 0; h < view.heads.size(); ++h) {
      const std::size_t tokens = scores_[h].size();
      if (tokens <= kept) continue;
      ranked_.assign(scores_[h].begin(), scores_[h].end());
      ranked_.back() = std::numeric_limits<double>::infinity();
      const double margin = pick_lowest(ranked_, tokens - kept, plan.victims[h]);
      // Beside the newest token alone there is no runner-up.
      plan.margin[h] = std::isfinite(margin) ? margin : std::numeric_limits<double>::quiet_NaN();
    }
    if (observer_) report(view, plan);
  }

  void applied(const EvictionPlan& plan) override {
    for (std::size_t h = 0; h < heads_.size(); ++h) heads_[h].drop(plan.victims[h]);
  }

  void save(StateWriter& out, const std::string& prefix) const override {
    for (std::size_t h = 0; h < heads_.size(); ++h) {
      heads_[h].save(out, prefix + std::to_string(h) + ".");
    }
  }

  void load(const StateReader& in, const std::string& prefix) override {
    heads_.clear();
    while (Spectrogram::saved(in, prefix + std::to_string(heads_.size()) + ".")) {
      const std::string name = prefix + std::to_string(heads_.size()) + ".";
      heads_.emplace_back().load(in, name);
    }
  }

 private:
  void score(const CacheView& view, std::size_t h) {
    const auto positions = view.heads[h].positions;
    LETHE_ASSERT(heads_.at(h).at_frame() && heads_[h].tokens() == positions.size(),
                 "an update stands at the end of a frame whose rows were all seen");
    const auto x = namm_features(scorer_->parameters(), positions, heads_[h].spectrum());
    auto& scores = scores_[h];
    scores.resize(positions.size());
    scorer_->score(x, scores);
    const auto bad = std::find_if_not(scores.begin(), scores.end(),
                                      [](float score) { return std::isfinite(score); });
    if (bad == scores.end()) return;
    throw Error(ErrorKind::kPolicy,
                "policy 'namm': the score of position " +
                    std::to_string(positions[static_cast<std::size_t>(bad - scores.begin())]) +
                    " in layer " + std::to_string(layer_.layer) + ", KV head " + std::to_string(h) +
                    " is " + std::to_string(*bad) + "; its weights are too large for float32");
  }

  void report(const CacheView& view, const EvictionPlan& plan) {
    std::vector<std::vector<std::uint8_t>> kept(view.heads.size());
    std::vector<NammHeadUpdate> updates;
    for (std::size_t h = 0; h < view.heads.size(); ++h) {
      kept[h].assign(scores_[h].size(), 1);
      for (const std::size_t victim : plan.victims[h]) kept[h][victim] = 0;
      updates.push_back({view.heads[h].positions, &heads_[h].spectrum(), scores_[h], kept[h]});
    }
    observer_->updated(layer_, view.step, updates);
  }

  std::shared_ptr<const NammScorer> scorer_;
  NammOptions options_;
  LayerContext layer_;
  NammObserver* observer_;
  std::vector<Spectrogram> heads_;          // [KV heads]
  std::vector<std::vector<float>> scores_;  // likewise, of the update at hand
  std::vector<double> row_, ranked_;
};

std::function<fs::path()>& named_folder() {
  static std::function<fs::path()> folder;
  return folder;
}

/// The file that weights=`given` means: a path where it looks like one, else a name.
fs::path weights_file(const std::string& given) {
  if (given.find('/') != std::string::npos || fs::path(given).extension() == ".json") {
    if (fs::exists(given)) return given;
    throw Error(ErrorKind::kPolicy, "policy 'namm': weights=" + given +
                                        ": there is no such file; expected one that `lethe train "
                                        "namm` wrote, or the name of one in data/checkpoints");
  }
  if (!named_folder()) {
    throw Error(ErrorKind::kPolicy, "policy 'namm': weights=" + given +
                                        ": this program knows no names; give the path of a file");
  }
  const fs::path folder = named_folder()();
  if (fs::exists(folder / given / kFileName)) return folder / given / kFileName;
  std::vector<std::string> known;
  std::error_code none;
  for (const auto& entry : fs::directory_iterator(folder, none)) {
    if (fs::exists(entry.path() / kFileName)) known.push_back(entry.path().filename().string());
  }
  if (known.empty()) {
    throw Error(ErrorKind::kPolicy, "policy 'namm': weights=" + given + ": " + folder.string() +
                                        " holds no network; `lethe train namm` makes one, and a "
                                        "file of your own is given by its path");
  }
  std::sort(known.begin(), known.end());
  throw unknown_name(ErrorKind::kPolicy, "policy 'namm': weights", given, known);
}

PolicyPlan namm_plan(const Spec& spec) {
  spec.check_known(std::vector<std::string>{"weights", "cap"}, ErrorKind::kPolicy);
  const std::string* weights = spec.find("weights");
  if (!weights) {
    throw Error(ErrorKind::kPolicy,
                "policy 'namm' needs the weights of its network: namm:weights=NAME with a folder "
                "of data/checkpoints, or namm:weights=FILE with a file that `lethe train namm` "
                "wrote (of its authors' weights there are none to be had)");
  }
  NammOptions options;
  const std::string cap = spec.choice("cap", "false", kYesNo, ErrorKind::kPolicy);
  options.cap = cap == "true";
  auto parameters = std::make_shared<const NammParameters>(read_namm_file(weights_file(*weights)));
  PolicyPlan plan = make_namm_plan(std::move(parameters), options);
  plan.text = Spec{spec.name, {{"weights", *weights}}}.text();
  add_option(plan, "cap", cap, "false");
  return plan;
}

}  // namespace

PolicyPlan make_namm_plan(std::shared_ptr<const NammParameters> parameters,
                          const NammOptions& options, NammObserver* observer) {
  const auto scorer = std::make_shared<const NammScorer>(parameters);
  PolicyPlan plan;
  plan.content_sha256 = namm_content_sha256(*parameters);
  plan.text = "namm:weights=" + plan.content_sha256.substr(0, 16);
  if (options.cap) add_option(plan, "cap", "true", "false");
  plan.traits.scope = Scope::kKvHead;
  plan.traits.reads_attention = true;
  plan.traits.update_interval = static_cast<int>(parameters->update_interval);
  plan.traits.takes_budget = options.cap;
  plan.traits.fixed_size = false;
  plan.make = [scorer, options, observer](const LayerContext& layer) {
    return std::make_unique<Namm>(scorer, options, layer, observer);
  };
  return plan;
}

void set_namm_folder(std::function<fs::path()> folder) {
  named_folder() = std::move(folder);
}

void register_namm(Registry& registry) {
  registry.add({"namm",
                "a small evolved network judges what stays, every n_up tokens",
                "NAMM 2410.13166, section 3; its released code",
                {"weights=NAME|FILE: the network, data/checkpoints/NAME/namm.json or a file; "
                 "needed. It says n_up, and the schedule must be block:n_up",
                 "cap=true|false: the budget is the most that a head keeps (false: no budget, the "
                 "network alone decides)"}},
               namm_plan);
}

}  // namespace lethe::policies
