// SPDX-License-Identifier: Apache-2.0
#include "harness/grid/resolved_axes.h"

#include <algorithm>

#include "harness/base/error.h"
#include "harness/base/names.h"

namespace lethe::grid {
namespace {

constexpr std::size_t kValuesShown = 20;  // of an axis, in a message

/// Index of `value` in `values`, where it is added if it is not there yet.
template <typename T>
int index_of(std::vector<T>& values, const T& value) {
  const auto found = std::find(values.begin(), values.end(), value);
  if (found != values.end()) return static_cast<int>(found - values.begin());
  values.push_back(value);
  return static_cast<int>(values.size()) - 1;
}

template <typename T>
void append_all(std::vector<int>& out, const std::vector<T>& values, const auto& wanted) {
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (wanted(values[i])) out.push_back(static_cast<int>(i));
  }
}

/// Indices of `wanted` in `all`, which is extended by what is missing. Both may be long, and both
/// are without repeats.
std::vector<int> merge_numbers(std::vector<std::int64_t>& all,
                               const std::vector<std::int64_t>& wanted) {
  std::map<std::int64_t, int> places;
  for (std::size_t i = 0; i < all.size(); ++i) places.emplace(all[i], static_cast<int>(i));
  std::vector<int> out;
  for (const auto value : wanted) {
    const auto [place, added] = places.emplace(value, static_cast<int>(all.size()));
    if (added) all.push_back(value);
    out.push_back(place->second);
  }
  return out;
}

}  // namespace

ResolvedAxes::ResolvedAxes(const Suite& suite, Catalogue& catalogue) : suite_(suite) {
  for (std::size_t i = 0; i < kAxes; ++i) {
    base_[i] = indices(static_cast<Axis>(i), suite, catalogue);
  }
  rules_.resize(suite.overrides.size());
  for (std::size_t rule = 0; rule < rules_.size(); ++rule) {
    for (std::size_t i = 0; i < kAxes; ++i) {
      try {
        rules_[rule].set[i] = indices(static_cast<Axis>(i), suite.overrides[rule].set, catalogue);
      } catch (Error& error) {
        error.add_context(suite.overrides[rule].where);
        throw;
      }
    }
  }
  // Conditions last: they may name any value that some part of the suite gives the axis.
  for (std::size_t rule = 0; rule < rules_.size(); ++rule) {
    rules_[rule].when = compile(suite.overrides[rule].when, catalogue);
  }
  for (const auto& entry : suite.exclude) {
    drops_.push_back({compile(entry.cells, catalogue), false});
  }
}

const std::vector<std::int64_t>& ResolvedAxes::numbers(Axis axis) const {
  if (axis == Axis::kLengths) return values_.lengths;
  return axis == Axis::kBudgets ? values_.budgets : values_.seeds;
}

const std::vector<std::string>& ResolvedAxes::texts(Axis axis) const {
  switch (axis) {
    case Axis::kSchedules:
      return values_.schedules;
    case Axis::kPositions:
      return values_.positions;
    case Axis::kDtypes:
      return values_.dtypes;
    default:
      return values_.kv_dtypes;
  }
}

int ResolvedAxes::model_index(const std::string& text, Catalogue& catalogue) {
  const ModelEntry entry = catalogue.model(text);
  for (std::size_t i = 0; i < models_.size(); ++i) {
    if (models_[i].name == entry.name && models_[i].identity == entry.identity) {
      model_texts_[i].push_back(text);
      return static_cast<int>(i);
    }
  }
  models_.push_back(entry);
  model_texts_.push_back({text});
  return static_cast<int>(models_.size()) - 1;
}

int ResolvedAxes::policy_index(const std::string& text, Catalogue& catalogue) {
  const PolicyEntry entry = catalogue.policy(text);
  for (std::size_t i = 0; i < policies_.size(); ++i) {
    if (policies_[i].text == entry.text) return static_cast<int>(i);
  }
  policies_.push_back(entry);
  return static_cast<int>(policies_.size()) - 1;
}

std::string ResolvedAxes::canonical(Axis axis, const std::string& text, Catalogue& catalogue) {
  if (axis == Axis::kSchedules) return catalogue.schedule(text);
  if (axis == Axis::kPositions) return catalogue.positions(text);
  return text;
}

ResolvedAxes::Indices ResolvedAxes::indices(Axis axis, const Axes& axes, Catalogue& catalogue) {
  Indices out;
  const auto add = [&](int index) {
    if (std::find(out.begin(), out.end(), index) == out.end()) out.push_back(index);
  };
  if (axis == Axis::kModels) {
    for (const auto& text : axes.models) add(model_index(text, catalogue));
  } else if (axis == Axis::kPolicies) {
    for (const auto& text : axes.policies) add(policy_index(text, catalogue));
  } else if (axis == Axis::kTasks) {
    for (const auto& task : axes.tasks) add(index_of(values_.tasks, task));
  } else if (axis == Axis::kLengths) {
    out = merge_numbers(values_.lengths, axes.lengths);
  } else if (axis == Axis::kBudgets) {
    out = merge_numbers(values_.budgets, axes.budgets);
  } else if (axis == Axis::kSeeds) {
    out = merge_numbers(values_.seeds, axes.seeds);
  } else {
    with_axis(values_, axis, [&](auto& all) {
      with_axis(axes, axis, [&](const auto& wanted) {
        if constexpr (std::is_same_v<std::decay_t<decltype(all)>, std::vector<std::string>> &&
                      std::is_same_v<std::decay_t<decltype(wanted)>, std::vector<std::string>>) {
          for (const auto& text : wanted) add(index_of(all, canonical(axis, text, catalogue)));
        }
      });
    });
  }
  return out;
}

std::vector<std::string> ResolvedAxes::known(Axis axis) const {
  std::vector<std::string> out;
  if (axis == Axis::kModels) {
    for (const auto& texts : model_texts_) out.insert(out.end(), texts.begin(), texts.end());
  } else if (axis == Axis::kPolicies) {
    for (const auto& policy : policies_) out.push_back(policy.text);
  } else if (axis == Axis::kTasks) {
    for (const auto& task : values_.tasks) out.push_back(task.first);
  } else if (is_integer_axis(axis)) {
    const auto& all = numbers(axis);
    for (std::size_t i = 0; i < std::min(all.size(), kValuesShown); ++i) {
      out.push_back(std::to_string(all[i]));
    }
    if (all.size() > kValuesShown) out.emplace_back("…");
  } else {
    out = texts(axis);
  }
  return out;
}

std::vector<int> ResolvedAxes::matching(Axis axis, const NamedValue& value,
                                        Catalogue& catalogue) const {
  std::vector<int> out;
  if (axis == Axis::kModels) {
    for (std::size_t i = 0; i < models_.size(); ++i) {
      const auto& texts = model_texts_[i];
      if (models_[i].name == value.text ||
          std::find(texts.begin(), texts.end(), value.text) != texts.end()) {
        out.push_back(static_cast<int>(i));
      }
    }
    // A model the command line took away need not be there.
    if (!out.empty() || was_replaced(axis, value)) return out;
    const auto name = catalogue.model(value.text).name;
    append_all(out, models_, [&](const auto& model) { return model.name == name; });
  } else if (axis == Axis::kPolicies) {
    const auto text = catalogue.policy(value.text).text;
    append_all(out, policies_, [&](const auto& policy) { return policy.text == text; });
  } else if (axis == Axis::kTasks) {
    append_all(out, values_.tasks, [&](const auto& task) { return task.first == value.text; });
  } else if (is_integer_axis(axis)) {
    auto wanted = value.numbers;
    std::sort(wanted.begin(), wanted.end());
    append_all(out, numbers(axis), [&](std::int64_t number) {
      return std::binary_search(wanted.begin(), wanted.end(), number);
    });
  } else {
    const auto wanted = canonical(axis, value.text, catalogue);
    append_all(out, texts(axis), [&](const auto& text) { return text == wanted; });
  }
  return out;
}

/// Whether the axis had the value before the command line gave it others.
bool ResolvedAxes::was_replaced(Axis axis, const NamedValue& value) const {
  const auto& before = suite_.replaced;
  const auto holds = [&](const auto& values, const auto& wanted) {
    return std::find(values.begin(), values.end(), wanted) != values.end();
  };
  switch (axis) {
    case Axis::kPolicies:
      return has_axis(before, axis);  // the catalogue knows it; its text need not be that of before
    case Axis::kTasks:
      return std::any_of(before.tasks.begin(), before.tasks.end(),
                         [&](const auto& task) { return task.first == value.text; });
    case Axis::kLengths:
    case Axis::kBudgets:
    case Axis::kSeeds: {
      const auto& old = axis == Axis::kLengths   ? before.lengths
                        : axis == Axis::kBudgets ? before.budgets
                                                 : before.seeds;
      return std::any_of(value.numbers.begin(), value.numbers.end(),
                         [&](std::int64_t number) { return holds(old, number); });
    }
    case Axis::kModels:
      return holds(before.models, value.text);
    case Axis::kSchedules:
      return holds(before.schedules, value.text);
    case Axis::kPositions:
      return holds(before.positions, value.text);
    case Axis::kDtypes:
      return holds(before.dtypes, value.text);
    case Axis::kKvDtypes:
      break;
  }
  return holds(before.kv_dtypes, value.text);
}

ResolvedAxes::Matcher ResolvedAxes::compile(const Condition& condition, Catalogue& catalogue) {
  Matcher out;
  for (const auto& [axis, values] : condition) {
    const auto i = static_cast<std::size_t>(axis);
    out.last = i;
    auto& named = out.named[i];
    const std::size_t count = axis == Axis::kModels     ? models_.size()
                              : axis == Axis::kPolicies ? policies_.size()
                              : axis == Axis::kTasks    ? values_.tasks.size()
                              : is_integer_axis(axis)   ? numbers(axis).size()
                                                        : texts(axis).size();
    // One more, so that the list is never empty.
    named.assign(count + 1, 0);
    for (const auto& value : values) {
      std::vector<int> found;
      try {
        found = matching(axis, value, catalogue);
      } catch (Error& error) {
        error.add_context(value.where);
        throw;
      }
      if (found.empty() && !was_replaced(axis, value)) {
        const auto names = known(axis);
        throw unknown_name(ErrorKind::kConfig,
                           value.where + ": among the " + axis_name(axis) + " of this suite, value",
                           value.text, names);
      }
      for (const int index : found) named[static_cast<std::size_t>(index)] = 1;
    }
  }
  return out;
}

bool ResolvedAxes::Matcher::matches(const Point& point) const {
  for (std::size_t axis = 0; axis <= last; ++axis) {
    if (named[axis].empty()) continue;
    if (point[axis] < 0 || !named[axis][static_cast<std::size_t>(point[axis])]) return false;
  }
  return true;
}

const ResolvedAxes::Indices& ResolvedAxes::values_at(Axis axis, const Point& point) {
  static const Indices none{kNoBudget};
  const auto i = static_cast<std::size_t>(axis);
  const auto policy = static_cast<std::size_t>(Axis::kPolicies);
  const PolicyEntry* taking = nullptr;
  if (axis == Axis::kBudgets) {
    taking = &policies_[static_cast<std::size_t>(point[policy])];
    if (!taking->takes_budget) return none;
  }
  for (auto rule = rules_.rbegin(); rule != rules_.rend(); ++rule) {
    if (rule->set[i].empty() || !rule->when.matches(point)) continue;
    rule->used = true;
    return rule->set[i];
  }
  if (taking && base_[i].empty()) {
    throw Error(ErrorKind::kConfig, "suite " + suite_.name + ": policy " + taking->text +
                                        " needs a budget; give the suite \"budgets\"");
  }
  return base_[i];
}

/// Whether an exclusion whose last axis is `axis` matches. All of them are tried, so that each
/// learns that it is of use.
bool ResolvedAxes::dropped(std::size_t axis, const Point& point) {
  bool out = false;
  for (auto& drop : drops_) {
    if (drop.cells.last != axis || !drop.cells.matches(point)) continue;
    drop.used = true;
    out = apply_drops_;
  }
  return out;
}

void ResolvedAxes::walk_from(std::size_t axis, Point& point,
                             const std::function<void(const Point&)>& visit) {
  if (axis == kAxes) {
    visit(point);
    return;
  }
  for (const int value : values_at(static_cast<Axis>(axis), point)) {
    point[axis] = value;
    if (!dropped(axis, point)) walk_from(axis + 1, point, visit);
  }
}

void ResolvedAxes::walk(const std::function<void(const Point&)>& visit) {
  Point point{};
  walk_from(0, point, visit);
}

void ResolvedAxes::check_all_used() {
  const auto unused = [](const auto& entry) { return !entry.used; };
  for (std::size_t i = 0; i < rules_.size(); ++i) {
    if (rules_[i].used) continue;
    throw Error(ErrorKind::kConfig,
                suite_.overrides[i].where +
                    " never applies: no cell has the values of its \"when\" together, or later "
                    "overrides and exclusions leave it none; correct it or take it out");
  }
  if (std::any_of(drops_.begin(), drops_.end(), unused)) {
    // One that only matches what others drop already is superfluous, not wrong.
    apply_drops_ = false;
    walk([](const Point&) {});
    apply_drops_ = true;
  }
  for (std::size_t i = 0; i < drops_.size(); ++i) {
    if (drops_[i].used) continue;
    throw Error(ErrorKind::kConfig, suite_.exclude[i].where +
                                        " matches no cell: the axes have its values, but no cell "
                                        "has them together; correct it or take it out");
  }
}

}  // namespace lethe::grid
