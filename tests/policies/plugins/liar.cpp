// SPDX-License-Identifier: Apache-2.0
// A plugin that does what its option says: everything a plugin can do wrong.
#include <chrono>
#include <csignal>
#include <thread>

#include "policies/plugin/lethe_policy.hpp"

using namespace lethe::sdk;

struct Liar {
  static constexpr const char* name = "liar";
  static constexpr const char* summary = "misbehaves";

  static void configure(Options& options, Traits& traits) {
    const auto mode = options.text("mode", "window",
                                   {"window", "throw", "throw-int", "range", "twice", "order",
                                    "few", "many", "count", "crash", "hang", "create", "traits"});
    if (mode == "traits") traits.update_interval = 0;
  }
  Liar(const Options& options, const Layer&) : mode_(options.value("mode")) {
    if (mode_ == "create") throw std::runtime_error("no instance today");
  }

  void select(const View& view, std::size_t budget, Plan& plan) {
    const std::size_t cached = view.head(0).cached();
    const std::size_t surplus = cached - budget;
    std::vector<std::size_t> victims(surplus);
    for (std::size_t i = 0; i < surplus; ++i) victims[i] = i;
    if (mode_ == "throw") throw std::runtime_error("I will not choose");
    if (mode_ == "throw-int") throw 7;
    if (mode_ == "crash") std::raise(SIGSEGV);
    if (mode_ == "hang") std::this_thread::sleep_for(std::chrono::hours(1));
    if (mode_ == "range") victims.back() = cached;
    if (mode_ == "twice") victims.push_back(victims.back());
    if (mode_ == "few") victims.pop_back();
    if (mode_ == "many") victims.push_back(surplus);
    plan.evict(0, victims);
  }

  const std::string& mode() const { return mode_; }

 private:
  std::string mode_;
};

// Past the wrapper, which would not let this through.
static int select_by_hand(void* self, const lethe_view* view, std::size_t budget, lethe_plan* plan,
                          char* error, std::size_t size) {
  const int code = lethe::sdk::detail::Table<Liar>::select(self, view, budget, plan, error, size);
  const std::string& mode = static_cast<Liar*>(self)->mode();
  if (mode == "order" && plan->counts[0] > 1) std::swap(plan->victims[0][0], plan->victims[0][1]);
  if (mode == "count") plan->counts[0] = plan->capacity[0] + 5;
  return code;
}

extern "C" LETHE_POLICY_EXPORT const lethe_policy_plugin* lethe_policy_plugin_v1(uint32_t) {
  static const lethe_policy_plugin table = [] {
    lethe_policy_plugin t = *lethe::sdk::detail::Table<Liar>::get();
    t.select = select_by_hand;
    return t;
  }();
  return &table;
}
