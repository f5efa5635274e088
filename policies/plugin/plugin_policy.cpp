// SPDX-License-Identifier: Apache-2.0
#include "policies/plugin/plugin_policy.h"

#include <array>
#include <exception>
#include <limits>
#include <set>
#include <utility>

#include "harness/base/state_file.h"
#include "policies/options.h"

namespace lethe::policies {
namespace {

/// Where a plugin leaves its words.
class ErrorText {
 public:
  char* data() { return text_.data(); }
  std::size_t size() const { return text_.size() - 1; }  // its last zero is ours
  /// Throws Error(kPolicy) with what the plugin said, or that it said nothing.
  [[noreturn]] void fail(const std::string& who) const {
    const std::string said(text_.data());
    throw Error(ErrorKind::kPolicy, who + ": " + (said.empty() ? "failed without a word" : said));
  }

 private:
  std::array<char, 1024> text_{};
};

/// What went wrong on this side while a plugin's call asked it for something. It waits here until
/// that call has returned: an exception must not unwind frames of another compiler or of C.
class Failure {
 public:
  template <typename Body>
  void guard(const Body& body) noexcept {
    try {
      body();
    } catch (...) {
      if (!first_) first_ = std::current_exception();
    }
  }
  /// Throws what waits, in the name of who(); that is called only then, for this is once a token.
  template <typename Who>
  void rethrow(const Who& who) {
    if (!first_) return;
    try {
      std::rethrow_exception(std::exchange(first_, nullptr));
    } catch (Error& error) {
      error.add_context(who());
      throw;
    }
  }

 private:
  std::exception_ptr first_;
};

/// An AttentionRows as a plugin asks for it.
struct ServedRows {
  const AttentionRows* rows;
  Failure* failure;
};

void expect_below(int32_t found, int count, const char* what) {
  if (found >= 0 && found < count) return;
  throw Error(ErrorKind::kPolicy, std::string("expected ") + what + " below " +
                                      std::to_string(count) + " of its attention, asked for " +
                                      std::to_string(found));
}

void mean_over_heads(const lethe_attention* attention, int32_t row, double* out) {
  const auto& served = *static_cast<const ServedRows*>(attention->self);
  served.failure->guard([&] {
    expect_below(row, served.rows->rows(), "a row");
    served.rows->mean_over_heads(row, {out, served.rows->cached()});
  });
}

void weights(const lethe_attention* attention, int32_t row, int32_t head, double* out) {
  const auto& served = *static_cast<const ServedRows*>(attention->self);
  served.failure->guard([&] {
    expect_below(row, served.rows->rows(), "a row");
    expect_below(head, served.rows->heads(), "a query head");
    for (std::size_t i = 0; i < served.rows->cached(); ++i) {
      out[i] = served.rows->at(row, head, i);
    }
  });
}

/// A CacheView as C structures. Kept between calls: nothing is allocated per token.
class CView {
 public:
  const lethe_view* of(const CacheView& view, Failure& failure) {
    heads_.resize(view.heads.size());
    attention_.resize(view.heads.size());
    served_.resize(view.heads.size());
    pointers_.resize(view.heads.size());
    for (std::size_t h = 0; h < view.heads.size(); ++h) {
      const HeadCache& from = view.heads[h];
      served_[h] = {&from.attention, &failure};
      lethe_attention& attention = attention_[h];
      attention = {sizeof attention, from.attention.rows(), from.attention.heads(),
                   &served_[h],      mean_over_heads,       weights};
      heads_[h] = {sizeof(lethe_head), from.positions.size(), from.positions.data(),
                   from.key_norms.empty() ? nullptr : from.key_norms.data(),
                   from.attention.empty() ? nullptr : &attention};
      pointers_[h] = &heads_[h];
    }
    view_ = {sizeof view_, view.step, pointers_.size(), pointers_.data()};
    return &view_;
  }

 private:
  std::vector<lethe_head> heads_;
  std::vector<lethe_attention> attention_;
  std::vector<ServedRows> served_;
  std::vector<const lethe_head*> pointers_;
  lethe_view view_{};
};

/// A plan as C structures, in either direction.
class CPlan {
 public:
  /// Room for as many victims as there are tokens.
  lethe_plan* for_view(const CacheView& view) {
    resize(view.heads.size());
    for (std::size_t h = 0; h < view.heads.size(); ++h) {
      capacity_[h] = view.heads[h].positions.size();
      if (victims_[h].size() < capacity_[h]) victims_[h].resize(capacity_[h]);
    }
    return finish();
  }
  const lethe_plan* of(const EvictionPlan& plan) {
    resize(plan.victims.size());
    for (std::size_t h = 0; h < plan.victims.size(); ++h) {
      victims_[h] = plan.victims[h];
      counts_[h] = capacity_[h] = plan.victims[h].size();
    }
    return finish();
  }
  /// What was written, unchecked but for the counts.
  void read(EvictionPlan& plan, const std::string& policy) const {
    for (std::size_t h = 0; h < counts_.size(); ++h) {
      if (counts_[h] > capacity_[h]) {
        throw Error(ErrorKind::kPolicy, "policy '" + policy + "': expected at most " +
                                            std::to_string(capacity_[h]) +
                                            " victims, as many as there are tokens, found " +
                                            std::to_string(counts_[h]));
      }
      plan.victims[h].assign(victims_[h].begin(),
                             victims_[h].begin() + static_cast<std::ptrdiff_t>(counts_[h]));
      plan.margin[h] = margins_[h];
    }
  }

 private:
  void resize(std::size_t heads) {
    victims_.resize(heads);
    counts_.assign(heads, 0);
    capacity_.assign(heads, 0);
    margins_.assign(heads, std::numeric_limits<double>::quiet_NaN());
    pointers_.resize(heads);
  }
  lethe_plan* finish() {
    for (std::size_t h = 0; h < victims_.size(); ++h) pointers_[h] = victims_[h].data();
    plan_ = {sizeof plan_,   pointers_.size(), pointers_.data(),
             counts_.data(), capacity_.data(), margins_.data()};
    return &plan_;
  }

  std::vector<std::vector<std::size_t>> victims_;
  std::vector<std::size_t> counts_, capacity_;
  std::vector<double> margins_;
  std::vector<std::size_t*> pointers_;
  lethe_plan plan_{};
};

lethe_layer c_layer(const LayerContext& layer) {
  return {sizeof(lethe_layer), layer.layer, layer.n_layers,
          layer.kv_heads,      layer.group, layer.seed};
}

/// The configuration of a specification, for all instances made from it.
using Configuration = std::shared_ptr<void>;

class PluginPolicy final : public EvictionPolicy {
 public:
  PluginPolicy(const lethe_policy_plugin& table, Configuration configuration,
               const LayerContext& layer, std::string text)
      : table_(table), configuration_(std::move(configuration)), text_(std::move(text)) {
    ErrorText error;
    const lethe_layer c = c_layer(layer);
    self_ = table_.create(configuration_.get(), &c, error.data(), error.size());
    if (self_ == nullptr) error.fail("policy '" + text_ + "'");
  }
  ~PluginPolicy() override { table_.destroy(self_); }
  PluginPolicy(const PluginPolicy&) = delete;
  PluginPolicy& operator=(const PluginPolicy&) = delete;

  void preview(std::span<const std::vector<double>> sums) override {
    if (table_.preview == nullptr) return;
    std::vector<const double*> pointers;
    for (const auto& head : sums) pointers.push_back(head.data());
    const std::size_t tokens = sums.empty() ? 0 : sums.front().size();
    call([&](char* error, std::size_t size) {
      return table_.preview(self_, pointers.size(), tokens, pointers.data(), error, size);
    });
  }
  void observe(const CacheView& view) override {
    if (table_.observe == nullptr) return;
    call([&](char* error, std::size_t size) {
      return table_.observe(self_, view_.of(view, failure_), error, size);
    });
  }
  void select(const CacheView& view, std::size_t budget, EvictionPlan& plan) override {
    lethe_plan* c_plan = plan_.for_view(view);
    call([&](char* error, std::size_t size) {
      return table_.select(self_, view_.of(view, failure_), budget, c_plan, error, size);
    });
    plan_.read(plan, text_);
  }
  void applied(const EvictionPlan& plan) override {
    if (table_.applied == nullptr) return;
    call([&](char* error, std::size_t size) {
      return table_.applied(self_, plan_.of(plan), error, size);
    });
  }

  void save(StateWriter& out, const std::string& prefix) const override {
    if (table_.save == nullptr) return;
    struct Target {
      StateWriter& out;
      const std::string& prefix;
      Failure& failure;
      std::set<std::string> names;
    } target{out, prefix, failure_, {}};
    const auto put = [](const lethe_sink* sink, const char* name, const void* data,
                        std::size_t bytes) {
      auto& to = *static_cast<Target*>(sink->self);
      to.failure.guard([&] {
        if (!to.names.insert(name).second) {
          throw Error(ErrorKind::kPolicy,
                      std::string("expected one array of each name to save, found a second '") +
                          name + "'");
        }
        to.out.put(to.prefix + name, std::span(static_cast<const char*>(data), bytes));
      });
    };
    const lethe_sink sink{sizeof sink, &target, put};
    call([&](char* error, std::size_t size) { return table_.save(self_, &sink, error, size); });
  }
  void load(const StateReader& in, const std::string& prefix) override {
    if (table_.load == nullptr) return;
    struct Origin {
      const StateReader& in;
      const std::string& prefix;
      Failure& failure;
      std::vector<std::vector<char>> held;
    } origin{in, prefix, failure_, {}};
    const auto get = [](const lethe_source* source, const char* name,
                        std::size_t* bytes) -> const void* {
      auto& from = *static_cast<Origin*>(source->self);
      const void* found = nullptr;
      from.failure.guard([&] {
        if (!from.in.has(from.prefix + name)) return;
        from.held.push_back(from.in.get<char>(from.prefix + name));
        *bytes = from.held.back().size();
        // An empty array is there, too: null would say that it is not.
        found = *bytes > 0 ? from.held.back().data() : "";
      });
      return found;
    };
    const lethe_source source{sizeof source, &origin, get};
    call([&](char* error, std::size_t size) { return table_.load(self_, &source, error, size); });
  }

 private:
  template <typename Function>
  void call(const Function& function) const {
    ErrorText error;
    const int code = function(error.data(), error.size());
    const auto who = [&] { return "policy '" + text_ + "'"; };
    failure_.rethrow(who);
    if (code != 0) error.fail(who());
  }

  const lethe_policy_plugin& table_;
  Configuration configuration_;
  std::string text_;
  void* self_ = nullptr;
  mutable Failure failure_;
  CView view_;
  CPlan plan_;
};

void read_traits(const lethe_traits& from, PolicyTraits& traits, const std::string& text) {
  const auto expect = [&](bool holds, const std::string& what) {
    if (!holds)
      throw Error(ErrorKind::kPolicy, "policy '" + text + "': its plugin asks for " + what);
  };
  expect(from.last_rows >= 0, "fewer than no attention rows");
  expect(from.update_interval >= 1, "an update interval below 1");
  expect(from.least_budget >= 1, "a least budget below 1");
  expect(from.scope == LETHE_SCOPE_LAYER || from.scope == LETHE_SCOPE_KV_HEAD,
         "a scope that is neither layer nor KV head");
  traits.reads_attention = from.reads_attention != 0;
  traits.reads_key_norms = from.reads_key_norms != 0;
  traits.last_rows = from.last_rows;
  traits.update_interval = from.update_interval;
  traits.exact_only = from.exact_only != 0;
  traits.reads_whole_text = from.reads_whole_text != 0;
  traits.takes_budget = from.takes_budget != 0;
  traits.fixed_size = from.fixed_size != 0;
  traits.least_budget = from.least_budget;
}

}  // namespace

PolicyPlan plugin_plan(const lethe_policy_plugin& table, const std::string& sha256,
                       const Spec& spec) {
  // What the host takes itself.
  Spec common{spec.name, {}}, own{spec.name, {}};
  for (const auto& option : spec.options) {
    const bool takes = (option.first == "sinks" && (table.accepts & LETHE_ACCEPTS_SINKS)) ||
                       (option.first == "scope" && (table.accepts & LETHE_ACCEPTS_SCOPE));
    (takes ? common : own).options.push_back(option);
  }
  std::vector<const char*> keys, values;
  for (const auto& [key, value] : own.options) {
    keys.push_back(key.c_str());
    values.push_back(value.c_str());
  }
  lethe_traits traits{};
  traits.struct_size = sizeof traits;
  traits.last_rows = traits.update_interval = traits.takes_budget = traits.fixed_size = 1;
  traits.least_budget = 1;
  std::array<char, 512> canonical{};
  ErrorText error;
  void* made = table.configure(keys.size(), keys.data(), values.data(), &traits, canonical.data(),
                               canonical.size(), error.data(), error.size());
  if (made == nullptr) error.fail("policy '" + spec.text() + "'");
  const Configuration configuration(made, table.release);
  const Scope fallback = traits.scope == LETHE_SCOPE_KV_HEAD ? Scope::kKvHead : Scope::kLayer;
  PolicyPlan plan = plan_with_common_options(common, fallback);
  read_traits(traits, plan.traits, spec.text());
  canonical.back() = '\0';
  if (const std::string options = canonical.data(); !options.empty()) {
    for (const auto& [key, value] :
         Spec::parse(spec.name + ":" + options, ErrorKind::kPolicy).options) {
      add_option(plan, key, value, "");
    }
  }
  plan.plugin_sha256 = sha256;
  plan.make = [&table, configuration, text = plan.text](const LayerContext& layer) {
    return std::make_unique<PluginPolicy>(table, configuration, layer, text);
  };
  if (table.layer_budget != nullptr) {
    plan.layer_budget = [&table, configuration, text = plan.text](const LayerContext& layer,
                                                                  std::int64_t budget) {
      const lethe_layer c = c_layer(layer);
      const std::int64_t share = table.layer_budget(configuration.get(), &c, budget);
      if (share < 0) {
        throw Error(ErrorKind::kPolicy,
                    "policy '" + text + "': expected its plugin to give layer " +
                        std::to_string(layer.layer) + " a share of a budget of " +
                        std::to_string(budget) + ", found that it failed");
      }
      return share;
    };
  }
  return plan;
}

}  // namespace lethe::policies
