// SPDX-License-Identifier: Apache-2.0
// Policy names -> factories. Registered by one explicit function, never by static initialisers.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "harness/base/spec.h"
#include "policies/policy.h"

namespace lethe::policies {

/// A parsed, checked policy: canonical text, traits, and a factory of per-layer instances.
struct PolicyPlan {
  std::string text;  ///< canonical, e.g. "window:sinks=4"
  PolicyTraits traits;
  std::function<std::unique_ptr<EvictionPolicy>(const LayerContext&)> make;
  /// What the layer keeps of a budget of `budget` tokens a layer on average; null: every layer
  /// the same.
  std::function<std::int64_t(const LayerContext&, std::int64_t budget)> layer_budget;
  std::string plugin_sha256;  ///< of the library that it comes from; "" for a policy of our own
  /// Of what stands in the files that its options name; "" where they name none.
  std::string content_sha256;
};

/// One entry of `lethe list policies`.
struct PolicyInfo {
  std::string name;
  std::string summary;
  std::string source;                    ///< paper, section, equation
  std::vector<std::string> option_help;  ///< "sinks=i: …"
};

class Registry {
 public:
  using Builder = std::function<PolicyPlan(const Spec&)>;
  /// Throws Error(kInternal) on a name given twice.
  void add(PolicyInfo info, Builder builder);
  /// `other` is accepted wherever `canonical` is (window+4 and friends are handled by resolve()).
  void add_alias(std::string other, std::string canonical);
  /// `name` is known, but no policy: resolve() throws Error(kPolicy) with `advice`.
  void add_refusal(std::string name, std::string advice);
  /// Parses a specification (aliases allowed) and builds its plan. Throws Error(kPolicy) for
  /// unknown names (with a suggestion) and bad options.
  PolicyPlan resolve(std::string_view text) const;
  std::vector<PolicyInfo> list() const;
  /// Whether a policy, alias or refusal has this name.
  bool knows(const std::string& name) const;
  const std::map<std::string, std::string>& aliases() const { return aliases_; }

 private:
  struct Entry {
    PolicyInfo info;
    Builder builder;
  };
  std::map<std::string, Entry> entries_;
  std::map<std::string, std::string> aliases_;
  std::map<std::string, std::string> refusals_;
};

/// Throws Error(kConfig) unless `budget` is what the policy needs: none for full, at least one
/// place beside the pinned tokens otherwise.
void check_budget(const PolicyPlan& policy, std::optional<std::int64_t> budget);

/// What `layer` keeps of a budget of `budget` tokens a layer on average, pinned tokens included.
/// Throws Error(kPolicy) when the policy gives it less than it can keep.
std::int64_t budget_in_layer(const PolicyPlan& policy, const LayerContext& layer,
                             std::int64_t budget);

/// All built-in policies, and those of plugins loaded so far (plugin/plugin.h).
const Registry& known_policies();
/// The same, for load_plugin().
Registry& mutable_registry();

}  // namespace lethe::policies
