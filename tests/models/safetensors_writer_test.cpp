// SPDX-License-Identifier: Apache-2.0
// What the writer of safetensors files writes, the reader reads.
#include <cstring>
#include <limits>

#include "models/checkpoint/safetensors.h"
#include "models/checkpoint/safetensors_writer.h"
#include "tests/models/file_support.h"
#include "tests/support/catch.h"
#include "tests/support/fixtures.h"

namespace lethe::models {
namespace {

TEST_CASE("arrays survive writing and reading bit by bit") {
  const test::TempDir dir;
  const std::vector<float> odd{0.1F,
                               -0.0F,
                               std::numeric_limits<float>::denorm_min(),
                               std::numeric_limits<float>::max(),
                               -std::numeric_limits<float>::infinity(),
                               std::numeric_limits<float>::quiet_NaN()};
  const std::vector<float> one{3.5F}, none;
  test::write_bytes(dir / "a.safetensors",
                    safetensors_bytes({{"z.matrix", {2, 3}, odd},
                                       {"a \"name\"\n\xC3\xA9", {1, 1, 1}, one},
                                       {"m.empty", {0, 4}, none},
                                       {"scalar", {}, one}}));
  const SafetensorsFile file(dir / "a.safetensors");
  REQUIRE(file.entries().size() == 4);
  CHECK(file.shape("z.matrix") == std::vector<std::int64_t>{2, 3});
  CHECK(file.shape("m.empty") == std::vector<std::int64_t>{0, 4});
  CHECK(file.shape("scalar").empty());
  CHECK(file.entry("z.matrix").dtype == "F32");
  const auto read = file.read_f32("z.matrix");
  REQUIRE(read.size() == odd.size());
  CHECK(std::memcmp(read.data(), odd.data(), odd.size() * sizeof(float)) == 0);
  CHECK(file.read_f32("a \"name\"\n\xC3\xA9") == one);
  CHECK(file.read_f32("m.empty").empty());
}

TEST_CASE("the bytes depend on what is written, not on its order") {
  const std::vector<float> first{1, 2}, second{3};
  const std::string bytes = safetensors_bytes({{"b", {2}, first}, {"a", {1}, second}});
  CHECK(bytes == safetensors_bytes({{"a", {1}, second}, {"b", {2}, first}}));
  std::uint64_t header = 0;
  std::memcpy(&header, bytes.data(), sizeof header);
  CHECK(header % 8 == 0);
  CHECK(bytes.size() == 8 + header + 3 * sizeof(float));
  CHECK_THROWS_AS(safetensors_bytes({{"a", {1}, second}, {"a", {2}, first}}), Error);
}

TEST_CASE("an array that has not the values of its shape is not written") {
  const std::vector<float> two{1, 2};
  CHECK_THROWS_AS(safetensors_bytes({{"a", {3}, two}}), Error);
}

}  // namespace
}  // namespace lethe::models
