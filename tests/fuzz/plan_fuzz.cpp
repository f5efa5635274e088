// SPDX-License-Identifier: Apache-2.0
// Eviction plans: whatever a policy answers, a plan is refused or the cache stays what it should
// be.
#include <cstdlib>
#include <map>
#include <vector>

#include "models/engine/slot_table.h"
#include "policies/policy.h"
#include "tests/fuzz/fuzz_support.h"

namespace {

/// The answers, byte by byte; zeros when they are used up.
class Bytes {
 public:
  Bytes(const std::uint8_t* bytes, std::size_t size) : bytes_(bytes), size_(size) {}
  std::size_t next() { return at_ < size_ ? bytes_[at_++] : 0; }
  bool empty() const { return at_ >= size_; }

 private:
  const std::uint8_t* bytes_;
  std::size_t size_, at_ = 0;
};

void require(bool holds) {
  if (!holds) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  using namespace lethe;
  Bytes answers(bytes, size);
  const std::size_t pinned = answers.next() % 4, budget = 1 + answers.next() % 16;
  policies::PolicyTraits traits;
  traits.fixed_size = answers.next() % 4 != 0;
  models::SlotTable table(8);
  std::map<std::int64_t, std::int32_t> expected;  // slot by position
  for (std::int64_t step = 0; step < 200 && !answers.empty(); ++step) {
    if (table.full()) table.grow(table.slots() + 8);
    const std::int32_t slot = table.take_slot();
    table.append(step, slot);
    expected[step] = slot;
    if (table.live() <= pinned + budget) continue;

    const policies::HeadCache head{table.positions().subspan(pinned), {}, {}};
    policies::EvictionPlan plan;
    plan.reset(answers.next() % 8 == 0 ? answers.next() % 3 : 1);
    for (auto& victims : plan.victims) {
      const std::size_t count = answers.next() % 4;
      for (std::size_t i = 0; i < count; ++i) victims.push_back(answers.next() % 20);
    }
    try {
      policies::validate_plan(plan, {step, {&head, 1}}, budget, traits, "fuzzed");
    } catch (const Error& error) {
      require(error.kind() == ErrorKind::kPolicy);
      plan.reset(1);
      for (std::size_t i = 0; i < table.live() - pinned - budget; ++i) plan.victims[0].push_back(i);
    }
    std::vector<std::int32_t> freed;
    for (const std::size_t index : plan.victims[0]) {
      require(expected.erase(table.positions()[pinned + index]) == 1);
    }
    table.remove(plan.victims[0], pinned, freed);
    require(freed.size() == plan.victims[0].size());
    for (const std::int32_t gone : freed) table.release(gone);

    require(table.live() == expected.size() && table.live() <= pinned + budget);
    std::size_t i = 0;
    for (const auto& [position, held] : expected) {
      require(table.positions()[i] == position && table.order()[i] == held);
      ++i;
    }
  }
  return 0;
}
