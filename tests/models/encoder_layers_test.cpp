// SPDX-License-Identifier: Apache-2.0
// The layers of encoders where the last one computes leading rows alone.
#include <ATen/ATen.h>

#include "harness/base/seed.h"
#include "models/rmt/recurrent_weights.h"
#include "models/transformer/encoder_layers.h"
#include "tests/models/rmt_support.h"
#include "tests/support/catch.h"
#include "tests/support/fixtures.h"

namespace lethe::test {
namespace {

using models::Precision;

struct Case {
  std::int64_t clip;
  bool norm_before;
};

TEST_CASE("leading rows of an encoder are those of all rows", "[property]") {
  const Case kind = GENERATE(Case{0, false}, Case{0, true}, Case{4, false}, Case{4, true});
  CAPTURE(kind.clip, kind.norm_before);
  const TempDir folder;
  RmtShape shape;
  shape.relative_clip = kind.clip;
  shape.norm_before = kind.norm_before;
  write_rmt_folder(folder.path(), shape, 13);
  const auto checkpoint = models::open_checkpoint(folder.path());
  const auto weights = models::load_encoder_weights(*checkpoint, models::DType::kFloat64);
  const Precision precision{at::kDouble, at::kDouble};
  at::Tensor embeddings = at::empty({2, 21, 24}, at::kDouble);
  RandomStream random(9);
  for (std::int64_t i = 0; i < embeddings.numel(); ++i) {
    embeddings.mutable_data_ptr<double>()[i] = 2 * random.uniform() - 1;
  }
  const auto run = [&](std::optional<std::int64_t> rows) {
    return models::encoder_layers(checkpoint->config(), precision, weights, {embeddings}, rows);
  };
  const at::Tensor all = run(std::nullopt);
  REQUIRE(all.sizes() == at::IntArrayRef({2, 21, 24}));
  for (const std::int64_t rows : {1, 4, 8, 20, 21}) {
    CAPTURE(rows);
    const at::Tensor some = run(rows);
    REQUIRE(some.sizes() == at::IntArrayRef({2, rows, 24}));
    CHECK((some - all.narrow(1, 0, rows)).abs().max().item<double>() < 1e-12);
  }
}

TEST_CASE("attention and masks are refused where they are not known", "[fault]") {
  const Precision precision{at::kFloat, at::kFloat};
  const at::Tensor embeddings = at::zeros({1, 5, 24});
  std::vector<at::Tensor> attention;
  for (const std::int64_t clip : {0, 4}) {
    const TempDir folder;
    RmtShape shape;
    shape.relative_clip = clip;
    write_rmt_folder(folder.path(), shape, 13);
    const auto checkpoint = models::open_checkpoint(folder.path());
    const auto weights = models::load_encoder_weights(*checkpoint, models::DType::kFloat32);
    const models::EncoderInput masked{embeddings, at::ones({1, 1, 1, 5}, at::kBool)};
    const models::EncoderInput looked{embeddings, std::nullopt, &attention};
    const auto run = [&](const models::EncoderInput& input) {
      models::encoder_layers(checkpoint->config(), precision, weights, input);
    };
    if (clip > 0) {
      CHECK_THROWS_AS(run(masked), Error);
      CHECK_NOTHROW(run(looked));
    } else {
      CHECK_NOTHROW(run(masked));
      CHECK_THROWS_AS(run(looked), Error);
    }
  }
  CHECK(attention.size() == 2);
}

}  // namespace
}  // namespace lethe::test
