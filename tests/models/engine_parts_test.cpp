// SPDX-License-Identifier: Apache-2.0
// Unit tests of the engine's parts that hold no tensor: slots and the masked softmax.
#include <cmath>
#include <limits>
#include <numeric>

#include "harness/base/error.h"
#include "harness/base/seed.h"
#include "models/engine/slot_table.h"
#include "models/engine/softmax.h"
#include "tests/support/catch.h"

namespace lethe::models {
namespace {

TEST_CASE("slots are reused only after release, lowest first", "[unit]") {
  SlotTable table(3);
  table.grow(4);
  std::vector<std::int32_t> freed;
  for (std::int64_t position = 0; position < 3; ++position)
    table.append(position * 10, table.take_slot());
  CHECK(table.high_water() == 3);
  table.remove(std::vector<std::size_t>{0}, 1, freed);
  CHECK(freed == std::vector<std::int32_t>{1});
  CHECK(std::vector<std::int64_t>(table.positions().begin(), table.positions().end()) ==
        std::vector<std::int64_t>{0, 20});
  CHECK(table.take_slot() == 3);  // slot 1 may still be read
  CHECK_THROWS_AS(table.take_slot(), Error);
  table.release(1);
  CHECK(table.take_slot() == 1);
  CHECK_THROWS_AS(table.append(20, 1), Error);  // positions ascend
}

template <typename T>
std::vector<T> plain_softmax(const std::vector<T>& scores, const ColumnLife& life,
                             std::int32_t row) {
  long double best = -INFINITY, sum = 0;
  std::vector<T> out(scores.size());
  const auto alive = [&](std::size_t c) { return life.first[c] <= row && row <= life.last[c]; };
  for (std::size_t c = 0; c < scores.size(); ++c) {
    if (alive(c)) best = std::max<long double>(best, scores[c]);
  }
  for (std::size_t c = 0; c < scores.size(); ++c) {
    if (alive(c)) sum += std::exp(static_cast<long double>(scores[c]) - best);
  }
  for (std::size_t c = 0; c < scores.size(); ++c) {
    out[c] = alive(c) ? static_cast<T>(std::exp(static_cast<long double>(scores[c]) - best) / sum)
                      : T(0);
  }
  return out;
}

TEMPLATE_TEST_CASE("the masked softmax equals a plain one in long double", "[property]", float,
                   double) {
  RandomStream random(2);
  for (int round = 0; round < 100; ++round) {
    const std::size_t columns = 16 * (1 + random.below(12));
    ColumnLife life;
    life.reset(columns);
    const auto row = static_cast<std::int32_t>(random.below(8));
    std::vector<TestType> scores(columns);
    for (std::size_t c = 0; c < columns; ++c) {
      scores[c] = static_cast<TestType>((random.uniform() - 0.5) * 60);
      if (random.below(3) == 0) continue;  // dead, perhaps with the largest score
      life.first[c] = static_cast<std::int32_t>(random.below(8));
      life.last[c] = life.first[c] + static_cast<std::int32_t>(random.below(8));
    }
    life.first[5] = 0;
    life.last[5] = 100;  // at least one is alive
    scores[7] = 5000;    // a dead score that would overflow exp
    life.last[7] = -1;
    const auto expected = plain_softmax(scores, life, row);
    const TestType sum = exp_alive(scores.data(), columns, life, row);
    scale_alive(scores.data(), columns, life, row, TestType(1) / sum);
    // exp to one or two units, and the rounding of a difference of scores up to 60.
    const double unit = std::numeric_limits<TestType>::epsilon();
    const double tolerance = 3 * unit + 60 * unit / 2;
    for (std::size_t c = 0; c < columns; ++c) {
      if (std::abs(static_cast<double>(scores[c] - expected[c])) >
          tolerance * static_cast<double>(expected[c]) + 1e-37) {
        CAPTURE(round, c, scores[c], expected[c]);
        FAIL("the weights differ");
      }
    }
  }
}

TEST_CASE("a column cleared later leaves the sum of the others", "[unit]") {
  std::vector<float> weights(32);
  std::iota(weights.begin(), weights.end(), 1.0F);
  ColumnLife life;
  life.reset(32);
  for (std::size_t c = 0; c < 32; ++c) {
    life.first[c] = 0;
    life.last[c] = c == 3 ? 4 : 9;
  }
  CHECK(sum_alive(weights.data(), 32, life, 4) == 32 * 33 / 2);
  CHECK(sum_alive(weights.data(), 32, life, 5) == 32 * 33 / 2 - 4);
  CHECK(weights[3] == 4);
  scale_alive(weights.data(), 32, life, 5, 2.0F);
  CHECK(weights[3] == 0);
  CHECK(weights[4] == 10);
}

}  // namespace
}  // namespace lethe::models
