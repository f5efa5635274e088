// SPDX-License-Identifier: Apache-2.0
// sink-tova: like TOVA, but what a token got from earlier queries counts too, fading by `decay`.
//
//   lethe run SUITE.json --plugin libsink_tova.so     with the policy sink-tova:decay=0.9
#include <cstdint>

#include <lethe/lethe_policy.hpp>

using namespace lethe::sdk;

struct SinkTova {
  static constexpr const char* name = "sink-tova";
  static constexpr const char* summary = "the token with the least attention, old attention fading";
  static constexpr const char* source = "docs/adding-a-policy.md";
  static constexpr const char* const option_help[] = {"decay=x: what is left per token (0.5)",
                                                      nullptr};

  static void configure(Options& options, Traits& traits) {
    const double decay = options.number("decay", "0.5");
    if (decay < 0 || decay >= 1) throw std::invalid_argument("decay: expected from 0 to below 1");
    traits.reads_attention = 1;
    traits.last_rows = 0;  // every row, once, in order
  }

  SinkTova(const Options& options, const Layer&) : decay_(options.as_number("decay")) {}

  void observe(const View& view) {
    scores_.resize(view.heads());
    for (std::size_t h = 0; h < view.heads(); ++h) {
      view.head(h).mean_attention(row_);
      scores_[h].resize(row_.size(), 0.0);
      for (std::size_t i = 0; i < row_.size(); ++i) {
        scores_[h][i] = decay_ * scores_[h][i] + row_[i];
      }
    }
  }

  void select(const View& view, std::size_t budget, Plan& plan) {
    for (std::size_t h = 0; h < view.heads(); ++h) {
      if (scores_[h].size() > budget) plan.evict_lowest(h, scores_[h], scores_[h].size() - budget);
    }
  }

  void applied(const Plan& plan) {
    for (std::size_t h = 0; h < plan.heads(); ++h) {
      const auto gone = plan.victims(h);
      for (auto i = gone.rbegin(); i != gone.rend(); ++i) {
        scores_[h].erase(scores_[h].begin() + static_cast<std::ptrdiff_t>(*i));
      }
    }
  }

  void save(const Sink& sink) const {
    sink.put("heads", std::vector<std::int64_t>{static_cast<std::int64_t>(scores_.size())});
    for (std::size_t h = 0; h < scores_.size(); ++h) sink.put(std::to_string(h), scores_[h]);
  }
  void load(const Source& source) {
    scores_.resize(static_cast<std::size_t>(source.get<std::int64_t>("heads").at(0)));
    for (std::size_t h = 0; h < scores_.size(); ++h) {
      scores_[h] = source.get<double>(std::to_string(h));
    }
  }

 private:
  double decay_;
  std::vector<std::vector<double>> scores_;  // by head, by index into the view
  std::vector<double> row_;
};

LETHE_POLICY_PLUGIN(SinkTova)
