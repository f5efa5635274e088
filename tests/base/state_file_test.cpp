// SPDX-License-Identifier: Apache-2.0
#include "harness/base/state_file.h"

#include <cmath>
#include <limits>

#include "tests/support/catch.h"

using namespace lethe;
using Catch::Matchers::Contains;

namespace {

std::string sample() {
  StateWriter writer;
  writer.put("numbers", std::vector<double>{0.1, -0.0, std::numeric_limits<double>::denorm_min()});
  writer.put("none", std::vector<float>());
  writer.put_value<std::uint64_t>("count", ~std::uint64_t{0});
  return writer.finish("sample/1");
}

}  // namespace

TEST_CASE("a state comes back bit for bit") {
  const StateReader reader(sample(), "sample/1");
  const auto numbers = reader.get<double>("numbers");
  REQUIRE(numbers.size() == 3);
  CHECK(numbers[0] == 0.1);
  CHECK(std::signbit(numbers[1]));
  CHECK(numbers[2] == std::numeric_limits<double>::denorm_min());
  CHECK(reader.get<float>("none").empty());
  CHECK(reader.get_value<std::uint64_t>("count") == ~std::uint64_t{0});
  CHECK(reader.has("count"));
  CHECK_FALSE(reader.has("counts"));
  CHECK_THROWS_WITH(reader.get<double>("counts"), Contains("no 'counts'"));
  CHECK_THROWS_WITH(reader.get<float>("numbers"), Contains("f8, expected f4"));
  CHECK_THROWS_WITH(reader.get_value<double>("numbers"), Contains("no value"));
}

TEST_CASE("a state that is damaged or of something else is refused") {
  const std::string good = sample();
  CHECK_THROWS_WITH(StateReader(good, "sample/2"), Contains("expected sample/2, found sample/1"));
  for (std::size_t length = 0; length < good.size(); length += 7) {
    CHECK_THROWS_AS(StateReader(good.substr(0, length), "sample/1"), Error);
  }
  for (std::size_t i = 0; i < good.size(); ++i) {
    std::string bad = good;
    bad[i] = static_cast<char>(bad[i] ^ 0x10);
    CHECK_THROWS_AS(StateReader(bad, "sample/1"), Error);
  }
  StateWriter twice;
  twice.put_value("a", 1);
  CHECK_THROWS_WITH(twice.put_value("a", 2), Contains("put twice"));
}
