// SPDX-License-Identifier: Apache-2.0
// A plugin that does what its option says: everything a plugin can do wrong.
#include <dlfcn.h>

#include <chrono>
#include <csignal>
#include <fstream>
#include <thread>

#include "policies/plugin/lethe_policy.hpp"

using namespace lethe::sdk;

struct Liar {
  static constexpr const char* name = "liar";
  static constexpr const char* summary = "misbehaves";

  static void configure(Options& options, Traits& traits) {
    const auto mode = options.text(
        "mode", "window",
        {"window", "throw", "throw-int", "range", "twice", "order", "few", "many", "count", "crash",
         "hang", "create", "traits", "row", "head", "save", "share", "shout", "rebuild"});
    if (mode == "traits") traits.update_interval = 0;
    traits.reads_attention = mode == "row" || mode == "head";
    if (mode == "rebuild") rebuild();
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

  void save(const Sink&) const {}
  void load(const Source&) {}
  static std::int64_t layer_budget(const Options& options, const Layer&, std::int64_t budget) {
    if (options.value("mode") == "share") throw std::runtime_error("no share");
    return budget;
  }

  const std::string& mode() const { return mode_; }

 private:
  // As a compiler would while a run goes on: the file is no longer the one that was loaded.
  static void rebuild() {
    Dl_info self{};
    if (dladdr(reinterpret_cast<void*>(&rebuild), &self) == 0) return;
    std::ofstream(self.dli_fname, std::ios::app) << 'x';
  }

  std::string mode_;
};

// Past the wrapper, which would not let these through. noexcept, as C is: what the host throws at
// them ends the process.
static int select_by_hand(void* self, const lethe_view* view, std::size_t budget, lethe_plan* plan,
                          char* error, std::size_t size) noexcept {
  const int code = lethe::sdk::detail::Table<Liar>::select(self, view, budget, plan, error, size);
  const std::string& mode = static_cast<Liar*>(self)->mode();
  if (mode == "order" && plan->counts[0] > 1) std::swap(plan->victims[0][0], plan->victims[0][1]);
  if (mode == "count") plan->counts[0] = plan->capacity[0] + 5;
  const lethe_attention* attention = view->heads[0]->attention;
  std::vector<double> out(view->heads[0]->cached);
  if (mode == "row") attention->mean_over_heads(attention, attention->rows, out.data());
  if (mode == "head") attention->weights(attention, 0, -1, out.data());
  if (mode != "shout") return code;
  std::fill_n(error, size, '!');  // without the zero
  return 1;
}

static int save_by_hand(const void* self, const lethe_sink* sink, char*, std::size_t) noexcept {
  sink->put(sink, "scores", "ab", 2);
  if (static_cast<const Liar*>(self)->mode() == "save") sink->put(sink, "scores", "cd", 2);
  return 0;
}

extern "C" LETHE_POLICY_EXPORT const lethe_policy_plugin* lethe_policy_plugin_v1(uint32_t) {
  static const lethe_policy_plugin table = [] {
    lethe_policy_plugin t = *lethe::sdk::detail::Table<Liar>::get();
    t.select = select_by_hand;
    t.save = save_by_hand;
    return t;
  }();
  return &table;
}
