// SPDX-License-Identifier: Apache-2.0
// A suite with its names resolved, and the walk over the points of its grid. Internal to this room.
#pragma once

#include <array>
#include <functional>
#include <string>
#include <vector>

#include "harness/grid/catalogue.h"
#include "harness/grid/suite.h"

namespace lethe::grid {

/// Index of a value per axis, into the lists of ResolvedAxes.
using Point = std::array<int, kAxes>;

/// Stands on the budget axis for a policy that takes none.
inline constexpr int kNoBudget = -1;

/// Every value that any part of a suite gives an axis, once, and which point has which.
class ResolvedAxes {
 public:
  /// Resolves every name. Throws the catalogue's errors and Error(kConfig) for conditions that name
  /// values their axis does not have.
  ResolvedAxes(const Suite& suite, Catalogue& catalogue);

  const std::vector<ModelEntry>& models() const { return models_; }
  const std::vector<TaskChoice>& tasks() const { return values_.tasks; }
  const std::vector<PolicyEntry>& policies() const { return policies_; }
  /// Of an axis of integers.
  const std::vector<std::int64_t>& numbers(Axis axis) const;
  /// Of schedules, positions, dtypes and KV dtypes.
  const std::vector<std::string>& texts(Axis axis) const;

  /// Calls `visit` for every point that no exclusion drops, in the order of the axes. Throws
  /// Error(kConfig) when a policy that takes a budget has none.
  void walk(const std::function<void(const Point&)>& visit);

  /// After walk(): throws Error(kConfig) for an exclusion that matches no point and an override
  /// that never applied.
  void check_all_used();

 private:
  using Indices = std::vector<int>;

  /// A condition in terms of indices.
  struct Matcher {
    /// Per axis and value whether it is named; an empty list where the axis is not.
    std::array<std::vector<char>, kAxes> named;
    std::size_t last = 0;  ///< the last axis named

    bool matches(const Point& point) const;
  };
  struct Rule {
    Matcher when;
    std::array<Indices, kAxes> set;
    bool used = false;
  };
  struct Drop {
    Matcher cells;
    bool used = false;
  };

  Indices indices(Axis axis, const Axes& axes, Catalogue& catalogue);
  int model_index(const std::string& text, Catalogue& catalogue);
  int policy_index(const std::string& text, Catalogue& catalogue);
  /// Of an axis whose values are texts.
  static std::string canonical(Axis axis, const std::string& text, Catalogue& catalogue);
  Matcher compile(const Condition& condition, Catalogue& catalogue);
  std::vector<int> matching(Axis axis, const NamedValue& value, Catalogue& catalogue) const;
  bool was_replaced(Axis axis, const NamedValue& value) const;
  std::vector<std::string> known(Axis axis) const;
  const Indices& values_at(Axis axis, const Point& point);
  bool dropped(std::size_t axis, const Point& point);
  void walk_from(std::size_t axis, Point& point, const std::function<void(const Point&)>& visit);

  const Suite& suite_;
  std::vector<ModelEntry> models_;
  std::vector<std::vector<std::string>> model_texts_;  ///< how the suite writes each model
  std::vector<PolicyEntry> policies_;
  Axes values_;  ///< of the axes without names to resolve
  std::array<Indices, kAxes> base_;
  std::vector<Rule> rules_;
  std::vector<Drop> drops_;
  bool apply_drops_ = true;
};

}  // namespace lethe::grid
