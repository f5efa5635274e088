// SPDX-License-Identifier: Apache-2.0
//
// Eviction policies as plugins of Lethe, in C++17: a class becomes the C table of lethe_policy.h.
//
//   struct MyPolicy {
//     static constexpr const char* name = "my-policy";
//     static constexpr const char* summary = "one line";
//     // Options and needs; called once for every specification.
//     static void configure(lethe::sdk::Options& options, lethe::sdk::Traits& traits);
//     MyPolicy(const lethe::sdk::Options& options, const lethe::sdk::Layer& layer);
//     void select(const lethe::sdk::View& view, std::size_t budget, lethe::sdk::Plan& plan);
//   };
//   LETHE_POLICY_PLUGIN(MyPolicy)
//
// Optional members: static constexpr source, version, option_help (const char* const[], ended by
// nullptr), accepts (default: sinks); observe(view), applied(plan), preview(sums), save(sink) const
// with load(source), static layer_budget(options, layer, budget). Exceptions become errors that
// name the policy; none crosses the border.
#ifndef LETHE_POLICY_HPP
#define LETHE_POLICY_HPP

#include <algorithm>
#include <cstring>
#include <exception>
#include <limits>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "lethe_policy.h"

namespace lethe::sdk {

using Layer = lethe_layer;
using Traits = lethe_traits;

/// Options of a specification. Every option must be asked for by configure(): one that is not is
/// unknown. Values equal to the default are left out of the canonical text.
class Options {
 public:
  Options(std::size_t n, const char* const* keys, const char* const* values) {
    for (std::size_t i = 0; i < n; ++i) given_.emplace(keys[i], values[i]);
  }

  std::string text(const std::string& key, const std::string& fallback,
                   const std::vector<std::string>& choices = {}) {
    const std::string value = take(key, fallback);
    if (!choices.empty() && std::find(choices.begin(), choices.end(), value) == choices.end()) {
      throw std::invalid_argument("option " + key + ": expected one of " + listed(choices) +
                                  ", found '" + value + "'");
    }
    return keep(key, value, fallback);
  }
  long long integer(const std::string& key, long long fallback, long long least, long long most) {
    const std::string value = take(key, std::to_string(fallback));
    std::size_t used = 0;
    long long number = 0;
    try {
      number = std::stoll(value, &used);
    } catch (const std::exception&) {
      used = 0;
    }
    if (used == 0 || used != value.size() || number < least || number > most) {
      throw std::invalid_argument("option " + key + ": expected a whole number from " +
                                  std::to_string(least) + " to " + std::to_string(most) +
                                  ", found '" + value + "'");
    }
    keep(key, std::to_string(number), std::to_string(fallback));
    return number;
  }
  double number(const std::string& key, const std::string& fallback) {
    const std::string value = take(key, fallback);
    std::size_t used = 0;
    double number = 0;
    try {
      number = std::stod(value, &used);
    } catch (const std::exception&) {
      used = 0;
    }
    if (used == 0 || used != value.size()) {
      throw std::invalid_argument("option " + key + ": expected a number, found '" + value + "'");
    }
    keep(key, value, fallback);
    return number;
  }

  /// What an option was found to be. For constructors.
  const std::string& value(const std::string& key) const { return values_.at(key); }
  double as_number(const std::string& key) const { return std::stod(value(key)); }
  long long as_integer(const std::string& key) const { return std::stoll(value(key)); }

  void finish() const {
    for (const auto& [key, value] : given_) {
      if (values_.count(key)) continue;
      std::vector<std::string> known;
      for (const auto& [name, unused] : values_) known.push_back(name);
      throw std::invalid_argument(
          "option '" + key + "' is unknown; known: " + (known.empty() ? "none" : listed(known)));
    }
  }
  const std::string& canonical() const { return canonical_; }

 private:
  static std::string listed(const std::vector<std::string>& names) {
    std::string out;
    for (const auto& name : names) out += (out.empty() ? "" : ", ") + name;
    return out;
  }
  std::string take(const std::string& key, const std::string& fallback) const {
    const auto found = given_.find(key);
    return found == given_.end() ? fallback : found->second;
  }
  std::string keep(const std::string& key, const std::string& value, const std::string& fallback) {
    values_[key] = value;
    if (value != fallback) {
      if (!canonical_.empty()) canonical_ += ',';
      canonical_ += key + "=" + value;
    }
    return value;
  }

  std::map<std::string, std::string> given_, values_;
  std::string canonical_;
};

/// The cached tokens of one KV head, or of the layer.
class Head {
 public:
  explicit Head(const lethe_head& head) : head_(head) {}
  std::size_t cached() const { return head_.cached; }
  std::int64_t position(std::size_t i) const { return head_.positions[i]; }
  /// Only where Traits::reads_key_norms.
  double key_norm(std::size_t i) const { return head_.key_norms[i]; }
  bool has_attention() const { return head_.attention != nullptr; }
  int rows() const { return has_attention() ? head_.attention->rows : 0; }
  int query_heads() const { return has_attention() ? head_.attention->heads : 0; }
  /// Mean over the query heads of a row (default: the newest), into `out` [cached].
  void mean_attention(std::vector<double>& out, int row = -1) const {
    out.resize(cached());
    head_.attention->mean_over_heads(head_.attention, row < 0 ? rows() - 1 : row, out.data());
  }
  /// Weights of one query head, into `out` [cached].
  void attention(std::vector<double>& out, int row, int query_head) const {
    out.resize(cached());
    head_.attention->weights(head_.attention, row, query_head, out.data());
  }

 private:
  const lethe_head& head_;
};

class View {
 public:
  explicit View(const lethe_view& view) : view_(view) {}
  std::int64_t step() const { return view_.step; }
  std::size_t heads() const { return view_.n_heads; }
  Head head(std::size_t h) const { return Head(*view_.heads[h]); }

 private:
  const lethe_view& view_;
};

/// Who leaves.
class Plan {
 public:
  explicit Plan(lethe_plan& plan) : plan_(plan) {}
  std::size_t heads() const { return plan_.n_heads; }
  /// Cached tokens of a head by index into the view, in any order.
  void evict(std::size_t head, std::vector<std::size_t> indices, double margin = 0) {
    std::sort(indices.begin(), indices.end());
    if (indices.size() > plan_.capacity[head]) throw std::length_error("more victims than tokens");
    std::copy(indices.begin(), indices.end(), plan_.victims[head]);
    plan_.counts[head] = indices.size();
    plan_.margins[head] = margin;
  }
  /// The `count` tokens with the lowest of `scores`, the oldest of equal ones first. The margin is
  /// how far the first victim lies below the lowest that stays or leaves after it.
  void evict_lowest(std::size_t head, const std::vector<double>& scores, std::size_t count) {
    if (count == 1) return evict_one(head, scores);
    std::vector<std::size_t> order(scores.size());
    for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
    std::stable_sort(order.begin(), order.end(),
                     [&](std::size_t a, std::size_t b) { return scores[a] < scores[b]; });
    const double margin = count > 0 && count < order.size()
                              ? scores[order[count]] - scores[order[count - 1]]
                              : std::numeric_limits<double>::quiet_NaN();
    order.resize(std::min(count, order.size()));
    evict(head, std::move(order), margin);
  }
  /// What was carried out, for applied().
  std::vector<std::size_t> victims(std::size_t head) const {
    return {plan_.victims[head], plan_.victims[head] + plan_.counts[head]};
  }

 private:
  // The case of a cut after every token: once per token and layer, without an allocation.
  void evict_one(std::size_t head, const std::vector<double>& scores) {
    double lowest = std::numeric_limits<double>::infinity(), second = lowest;
    std::size_t index = 0;
    for (std::size_t i = 0; i < scores.size(); ++i) {
      if (scores[i] < lowest) {
        second = lowest;
        lowest = scores[i];
        index = i;
      } else if (scores[i] < second) {
        second = scores[i];
      }
    }
    plan_.victims[head][0] = index;
    plan_.counts[head] = 1;
    plan_.margins[head] =
        scores.size() > 1 ? second - lowest : std::numeric_limits<double>::quiet_NaN();
  }

  lethe_plan& plan_;
};

class Sink {
 public:
  explicit Sink(const lethe_sink& sink) : sink_(sink) {}
  template <typename T>
  void put(const std::string& name, const std::vector<T>& values) const {
    static_assert(std::is_arithmetic_v<T>);
    sink_.put(&sink_, name.c_str(), values.data(), values.size() * sizeof(T));
  }

 private:
  const lethe_sink& sink_;
};

class Source {
 public:
  explicit Source(const lethe_source& source) : source_(source) {}
  template <typename T>
  std::vector<T> get(const std::string& name) const {
    static_assert(std::is_arithmetic_v<T>);
    std::size_t bytes = 0;
    const void* data = source_.get(&source_, name.c_str(), &bytes);
    if (data == nullptr || bytes % sizeof(T) != 0) {
      throw std::runtime_error("state: there is no '" + name + "' of this type");
    }
    std::vector<T> values(bytes / sizeof(T));
    if (bytes > 0) std::memcpy(values.data(), data, bytes);
    return values;
  }

 private:
  const lethe_source& source_;
};

namespace detail {

inline void write(char* out, std::size_t size, const std::string& text) {
  if (size == 0) return;
  const std::size_t count = std::min(size - 1, text.size());
  std::memcpy(out, text.data(), count);
  out[count] = '\0';
}

/// body(), or 1 with what it threw in `error`.
template <typename Body>
int guarded(char* error, std::size_t size, const Body& body) noexcept {
  try {
    body();
    return 0;
  } catch (const std::exception& e) {
    write(error, size, e.what());
  } catch (...) {
    write(error, size, "an exception that is no std::exception");
  }
  return 1;
}

#define LETHE_SDK_DETECT(member, expression) \
  template <typename P, typename = void>     \
  struct Has_##member : std::false_type {};  \
  template <typename P>                      \
  struct Has_##member<P, std::void_t<decltype(expression)>> : std::true_type {}
LETHE_SDK_DETECT(observe, std::declval<P&>().observe(std::declval<const View&>()));
LETHE_SDK_DETECT(applied, std::declval<P&>().applied(std::declval<const Plan&>()));
LETHE_SDK_DETECT(preview,
                 std::declval<P&>().preview(std::declval<std::vector<std::vector<double>>>()));
LETHE_SDK_DETECT(save, std::declval<const P&>().save(std::declval<const Sink&>()));
LETHE_SDK_DETECT(layer_budget, P::layer_budget(std::declval<const Options&>(),
                                               std::declval<const Layer&>(), std::int64_t{}));
LETHE_SDK_DETECT(source, P::source);
LETHE_SDK_DETECT(version, P::version);
LETHE_SDK_DETECT(option_help, P::option_help);
LETHE_SDK_DETECT(accepts, P::accepts);
#undef LETHE_SDK_DETECT

template <typename P>
struct Table {
  static void* configure(std::size_t n, const char* const* keys, const char* const* values,
                         lethe_traits* traits, char* canonical, std::size_t canonical_size,
                         char* error, std::size_t error_size) {
    Options* options = nullptr;
    const int failed = guarded(error, error_size, [&] {
      auto read = std::make_unique<Options>(n, keys, values);
      P::configure(*read, *traits);
      read->finish();
      if (read->canonical().size() >= canonical_size) throw std::length_error("options too long");
      write(canonical, canonical_size, read->canonical());
      options = read.release();
    });
    return failed ? nullptr : options;
  }
  static void release(void* options) { delete static_cast<Options*>(options); }

  static void* create(const void* options, const lethe_layer* layer, char* error,
                      std::size_t error_size) {
    P* self = nullptr;
    guarded(error, error_size,
            [&] { self = new P(*static_cast<const Options*>(options), *layer); });
    return self;
  }
  static void destroy(void* self) { delete static_cast<P*>(self); }

  static int select(void* self, const lethe_view* view, std::size_t budget, lethe_plan* plan,
                    char* error, std::size_t error_size) {
    return guarded(error, error_size, [&] {
      Plan wrapped(*plan);
      static_cast<P*>(self)->select(View(*view), budget, wrapped);
    });
  }
  static int observe(void* self, const lethe_view* view, char* error, std::size_t error_size) {
    return guarded(error, error_size, [&] {
      if constexpr (Has_observe<P>::value) static_cast<P*>(self)->observe(View(*view));
    });
  }
  static int applied(void* self, const lethe_plan* plan, char* error, std::size_t error_size) {
    return guarded(error, error_size, [&] {
      if constexpr (Has_applied<P>::value) {
        static_cast<P*>(self)->applied(Plan(const_cast<lethe_plan&>(*plan)));
      }
    });
  }
  static int preview(void* self, std::size_t heads, std::size_t tokens, const double* const* sums,
                     char* error, std::size_t error_size) {
    return guarded(error, error_size, [&] {
      if constexpr (Has_preview<P>::value) {
        std::vector<std::vector<double>> copied;
        for (std::size_t h = 0; h < heads; ++h) copied.emplace_back(sums[h], sums[h] + tokens);
        static_cast<P*>(self)->preview(std::move(copied));
      }
    });
  }
  static int save(const void* self, const lethe_sink* sink, char* error, std::size_t error_size) {
    return guarded(error, error_size, [&] {
      if constexpr (Has_save<P>::value) static_cast<const P*>(self)->save(Sink(*sink));
    });
  }
  static int load(void* self, const lethe_source* source, char* error, std::size_t error_size) {
    return guarded(error, error_size, [&] {
      if constexpr (Has_save<P>::value) static_cast<P*>(self)->load(Source(*source));
    });
  }
  static std::int64_t layer_budget(const void* options, const lethe_layer* layer,
                                   std::int64_t budget) {
    // There is no place for words here: the host says whose budget it was.
    std::int64_t own = -1;
    guarded(nullptr, 0, [&] {
      if constexpr (Has_layer_budget<P>::value) {
        own = P::layer_budget(*static_cast<const Options*>(options), *layer, budget);
      }
    });
    return own;
  }

  static const lethe_policy_plugin* get() {
    static const lethe_policy_plugin table = [] {
      lethe_policy_plugin t{};
      t.struct_size = sizeof t;
      t.abi = LETHE_POLICY_ABI;
      t.accepts = LETHE_ACCEPTS_SINKS;
      if constexpr (Has_accepts<P>::value) t.accepts = P::accepts;
      t.name = P::name;
      t.summary = P::summary;
      t.version = "0";
      if constexpr (Has_version<P>::value) t.version = P::version;
      t.source = "";
      if constexpr (Has_source<P>::value) t.source = P::source;
      if constexpr (Has_option_help<P>::value) t.option_help = P::option_help;
      t.configure = configure;
      t.release = release;
      t.create = create;
      t.destroy = destroy;
      t.select = select;
      if (Has_observe<P>::value) t.observe = observe;
      if (Has_applied<P>::value) t.applied = applied;
      if (Has_preview<P>::value) t.preview = preview;
      if (Has_save<P>::value) t.save = save;
      if (Has_save<P>::value) t.load = load;
      if (Has_layer_budget<P>::value) t.layer_budget = layer_budget;
      return t;
    }();
    return &table;
  }
};

}  // namespace detail
}  // namespace lethe::sdk

/// Makes `Class` the policy of this library.
#define LETHE_POLICY_PLUGIN(Class)                                                             \
  extern "C" LETHE_POLICY_EXPORT const lethe_policy_plugin* lethe_policy_plugin_v1(uint32_t) { \
    return lethe::sdk::detail::Table<Class>::get();                                            \
  }

#endif  // LETHE_POLICY_HPP
