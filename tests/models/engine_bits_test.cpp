// SPDX-License-Identifier: Apache-2.0
// The exact bits of our own kernels. They do not depend on the CPU (fixed lanes, no contraction),
// so when this test fails, numbers change: raise kEngineVersion (harness/base/version.h) and put
// the new hash here, in one commit that says why.
#include <cstring>

#include "harness/base/hash.h"
#include "harness/base/seed.h"
#include "harness/base/version.h"
#include "models/engine/softmax.h"
#include "models/transformer/kernels.h"
#include "tests/support/catch.h"

namespace lethe::models {
namespace {

std::vector<float> numbers(std::size_t count, std::uint64_t seed, double scale) {
  RandomStream random(seed);
  std::vector<float> out(count);
  for (auto& value : out) value = static_cast<float>((random.uniform() - 0.5) * scale);
  return out;
}

template <typename T>
void add(Sha256& hash, const std::vector<T>& values) {
  hash.update({reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T)});
}

TEST_CASE("the kernels give the bits of engine version 2", "[golden]") {
  CHECK(kEngineVersion == 2);
  Sha256 hash;

  const std::int64_t rows = 37, width = 576;
  const auto x = numbers(static_cast<std::size_t>(rows * width), 1, 20);
  const auto weight = numbers(static_cast<std::size_t>(width), 2, 4);
  std::vector<float> normed(x.size());
  kernels::rms_norm<float, float>(x.data(), weight.data(), 1e-5F, rows, width, normed.data());
  add(hash, normed);

  const auto gate_up = numbers(static_cast<std::size_t>(rows * 2 * width), 3, 300);
  std::vector<float> activated(x.size());
  kernels::silu_mul<float>(gate_up.data(), rows, width, activated.data());
  // The tail of a row that is no whole vector goes through libm's exp, which is not ours: width is
  // a multiple of 16 here, as in every model's matrices.
  add(hash, activated);

  auto qkv = numbers(static_cast<std::size_t>(rows) * 15 * 64, 4, 8);
  const auto cos = numbers(static_cast<std::size_t>(rows) * 32, 5, 2),
             sin = numbers(static_cast<std::size_t>(rows) * 32, 6, 2);
  kernels::rotate<float, float>(qkv.data(), cos.data(), sin.data(), rows, {9, 3, 64}, qkv.data());
  add(hash, qkv);

  const std::size_t columns = 320;
  ColumnLife life;
  life.reset(columns);
  RandomStream random(7);
  for (std::size_t c = 0; c < columns; ++c) {
    life.first[c] = static_cast<std::int32_t>(random.below(30));
    life.last[c] = life.first[c] + static_cast<std::int32_t>(random.below(30));
  }
  for (std::int32_t row = 0; row < rows; ++row) {
    auto scores = numbers(columns, 100 + static_cast<std::uint64_t>(row), 40);
    life.first[1] = 0;
    life.last[1] = rows;
    exp_alive(scores.data(), columns, life, row);
    const float sum = sum_alive(scores.data(), columns, life, row + 1);
    scale_alive(scores.data(), columns, life, row + 1, 1 / sum);
    add(hash, scores);
  }

  CHECK(hash.hex() == "68adb74425f1dfff5c332667fcada5523362e5fb81773560ad1e80855f4b8e2c");
}

}  // namespace
}  // namespace lethe::models
