// SPDX-License-Identifier: Apache-2.0
// The 75 points of Figure 3 of arXiv 2304.11062, its RMT line and its printed reductions.
#include "models/rmt/flops.h"

#include <algorithm>
#include <cmath>

#include "harness/base/json.h"
#include "harness/base/text.h"
#include "reports/published.h"
#include "tests/support/catch.h"
#include "tests/support/fixtures.h"

namespace lethe::test {

using models::FlopsShape;
using models::forward_flops;
using models::rmt_flops;

namespace {

std::filesystem::path figure_file() {
  return source_dir() / "data/published/rmt-figure3-flops.json";
}

const FlopsShape& shape_of(const std::string& name) {
  const auto& shapes = models::opt_shapes();
  const auto at = std::find_if(shapes.begin(), shapes.end(),
                               [&](const FlopsShape& shape) { return shape.name == name; });
  REQUIRE(at != shapes.end());
  return *at;
}

double ratio(const FlopsShape& shape, std::int64_t length) {
  return forward_flops(shape, static_cast<double>(length)) / forward_flops(shape, 512);
}

}  // namespace

TEST_CASE("the formula gives the 75 points of Figure 3", "[models][golden]") {
  int resolved = 0, coarse = 0;
  for (const auto& point : reports::read_published(figure_file()).values) {
    if (point.policy != "full") continue;
    CAPTURE(point.model, *point.length);
    const FlopsShape& shape = shape_of(point.model);
    const double value = ratio(shape, *point.length);
    if (*point.reading_error <= 0.0005) {
      CHECK(fixed(value, 3) == fixed(point.value, 3));
      ++resolved;
    } else {
      // A relative 1e-6 of the drawing beyond the three decimals that were plotted.
      CHECK(std::abs(value - point.value) <= 1e-6 * point.value + 0.0005);
      ++coarse;
    }
    CHECK(models::in_figure_3(shape));
    const auto& lengths = models::figure_3_lengths();
    CHECK(std::find(lengths.begin(), lengths.end(), *point.length) != lengths.end());
  }
  CHECK(resolved == 44);
  CHECK(coarse == 31);
}

TEST_CASE("shapes and constants are those that the published file was made with",
          "[models][golden]") {
  const json::value file = read_json_file(figure_file(), ErrorKind::kData);
  const json::object& inputs = file.at("inputs").as_object();
  CHECK(inputs.at("segment") == models::kFigure3Segment);
  std::size_t in_figure = 0;
  for (const FlopsShape& shape : models::opt_shapes()) in_figure += models::in_figure_3(shape);
  CHECK(in_figure == inputs.at("models").as_object().size());
  for (const auto& [name, given] : inputs.at("models").as_object()) {
    const FlopsShape& shape = shape_of(std::string(name));
    CAPTURE(shape.name);
    CHECK(given.at("n_layer") == shape.layers);
    CHECK(given.at("d") == shape.width);
    CHECK(given.at("h") == shape.heads);
    CHECK(given.at("f") == shape.ffn_width);
    CHECK(inputs.at("vocabulary_V") == shape.vocabulary);
  }
}

TEST_CASE("RMT costs one segment per segment; 295.1 and 29.0 times less at 2,048,000 tokens",
          "[models][golden]") {
  for (const FlopsShape& shape : models::opt_shapes()) {
    CAPTURE(shape.name);
    for (const std::int64_t length : models::figure_3_lengths()) {
      const double expected = static_cast<double>(length) / 512 * forward_flops(shape, 512);
      CHECK(rmt_flops(shape, length) == Approx(expected).epsilon(1e-14));
    }
  }
  const auto reduction = [](const std::string& name) {
    const FlopsShape& shape = shape_of(name);
    return fixed(forward_flops(shape, 2048000) / rmt_flops(shape, 2048000), 1);
  };
  CHECK(reduction("OPT-125M") == "295.1");
  CHECK(reduction("OPT-1.3B") == "154.4");
  CHECK(reduction("OPT-6.7B") == "81.6");
  CHECK(reduction("OPT-30B") == "48.4");
  CHECK(reduction("OPT-175B") == "29.0");
}

TEST_CASE("every product is counted, by hand on a small shape", "[models][unit]") {
  // Two layers, d = 4, one head, f = 8, V = 10, three positions.
  const FlopsShape small{"small", 2, 4, 1, 8, 10};
  const double projections = 4 * (2 * 3 * 4 * 4);  // four products of 3x4 by 4x4
  const double attention = 2 * (2 * 3 * 3 * 4);    // 3x4 by 4x3, 3x3 by 3x4
  const double maps = 10 * 3 * 3;                  // one head
  const double feed_forward = 2 * (2 * 3 * 4 * 8);
  const double logits = 2 * 3 * 4 * 10;
  CHECK(forward_flops(small, 3) == 2 * (projections + attention + maps + feed_forward) + logits);
}

TEST_CASE("memory tokens before and after every segment are paid for", "[models][unit]") {
  const FlopsShape& shape = shape_of("OPT-125M");
  CHECK(rmt_flops(shape, 4990, {499, 10}) == Approx(10 * forward_flops(shape, 519)));
  CHECK(rmt_flops(shape, 499, {499, 0}) == forward_flops(shape, 499));
  CHECK(rmt_flops(shape, 750, {500, 0}) == Approx(1.5 * forward_flops(shape, 500)));
}

}  // namespace lethe::test
