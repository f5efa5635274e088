// SPDX-License-Identifier: Apache-2.0
// Encoders with recurrent memory: without memory the backbone itself, with it the recurrence of the
// paper as plain loops compute it.
#include <cmath>
#include <vector>

#include "models/rmt/recurrent_model.h"
#include "models/transformer/encoder.h"
#include "tests/models/engine_support.h"
#include "tests/models/rmt_support.h"
#include "tests/support/catch.h"
#include "tests/support/fixtures.h"

namespace lethe::test {
namespace {

using models::DType;

RmtShape named_shape(const std::string& name) {
  RmtShape shape;
  if (name != "plain BERT") shape.relative_clip = 4;
  shape.norm_before = name == "norms before";
  if (name == "bare names") {
    shape.prefix = "";
    shape.relative_clip = 0;
  }
  return shape;
}

std::vector<std::int64_t> text_ids(std::int64_t count, std::uint64_t seed) {
  RandomStream random(seed);
  std::vector<std::int64_t> ids;
  for (std::int64_t i = 0; i < count; ++i)
    ids.push_back(static_cast<std::int64_t>(random.below(40)));
  return ids;
}

std::vector<double> flat(const PlainRmt::Rows& rows) {
  std::vector<double> all;
  for (const auto& row : rows) all.insert(all.end(), row.begin(), row.end());
  return all;
}

TEST_CASE("without memory a segment is a text of the backbone", "[rmt]") {
  const std::string name = GENERATE("plain BERT", "relative bias", "norms before", "bare names");
  CAPTURE(name);
  const TempDir folder;
  RmtShape shape = named_shape(name);
  shape.memory = 0;
  write_rmt_folder(folder.path(), shape, 3);
  const auto model = models::load_recurrent_model(folder.path(), DType::kFloat64);
  const auto encoder =
      models::load_encoder(*models::open_checkpoint(folder.path()), DType::kFloat64);
  auto memory = model->initial(1);
  CHECK(memory.rows == 0);
  CHECK(memory.values.empty());
  CHECK(model->memory_bytes() == 0);
  const auto text = text_ids(9, 5);
  const auto scores = model->classify(text, memory);
  REQUIRE(scores.size() == 6);

  std::vector<std::int64_t> whole{2};  // [CLS] text [SEP]
  whole.insert(whole.end(), text.begin(), text.end());
  whole.push_back(3);
  const auto hidden = encoder->hidden_states({.ids = whole});
  const PlainRmt plain(folder.path());
  // (An encoder gives floats: what they say of [CLS] to seven digits, the classes say too.)
  const std::vector<double> cls(hidden.begin(), hidden.begin() + 24);
  CHECK(max_difference(plain.logits(cls), scores) < 1e-5);
  const auto exact = plain.hidden_states(text, {});
  CHECK(max_difference(flat(exact), {hidden.begin(), hidden.end()}) < 1e-6);
  CHECK(max_difference(plain.logits(exact.front()), scores) < 1e-10);
}

TEST_CASE("the recurrence over segments is that of a loop in plain doubles", "[rmt]") {
  const std::string name = GENERATE("plain BERT", "relative bias", "norms before", "bare names");
  CAPTURE(name);
  const TempDir folder;
  const RmtShape shape = named_shape(name);
  write_rmt_folder(folder.path(), shape, 17);
  const auto model = models::load_recurrent_model(folder.path(), DType::kFloat64);
  const auto floats = models::load_recurrent_model(folder.path(), DType::kFloat32);
  const PlainRmt plain(folder.path());
  PlainRmt::Rows expected = plain.initial();
  auto memory = model->initial(1), rounded = floats->initial(1);
  CHECK(memory.values == flat(expected));
  CHECK(model->memory_bytes() == 3 * 24 * 8);
  CHECK(floats->memory_bytes() == 3 * 24 * 4);
  for (std::uint64_t segment = 0; segment < 5; ++segment) {
    CAPTURE(segment);
    const auto text = text_ids(8, 100 + segment);
    const auto hidden = plain.hidden_states(text, expected);
    expected = plain.next_memory(hidden);
    const auto scores = model->classify(text, memory);
    CHECK(max_difference(scores, plain.logits(hidden.front())) < 1e-10);
    CHECK(max_difference(memory.values, flat(expected)) < 1e-10);
    CHECK(max_difference(floats->classify(text, rounded), scores) < 1e-3);
  }
}

TEST_CASE("samples of a batch do not see each other, and reading is classifying", "[rmt]") {
  const TempDir folder;
  write_rmt_folder(folder.path(), named_shape("relative bias"), 29);
  const auto model = models::load_recurrent_model(folder.path(), DType::kFloat64);
  auto both = model->initial(2);
  std::vector<models::RecurrentMemory> alone{model->initial(1), model->initial(1)};
  for (std::uint64_t segment = 0; segment < 3; ++segment) {
    std::vector<std::int64_t> ids;
    std::vector<double> scores;
    for (std::size_t i = 0; i < 2; ++i) {
      const auto text = text_ids(6, 10 * segment + i);
      ids.insert(ids.end(), text.begin(), text.end());
      const auto own = model->classify(text, alone[i]);
      scores.insert(scores.end(), own.begin(), own.end());
    }
    auto read = both;
    model->read(ids, read);
    CHECK(max_difference(model->classify(ids, both), scores) < 1e-12);
    CHECK(read.values == both.values);
  }
  auto values = alone[0].values;
  values.insert(values.end(), alone[1].values.begin(), alone[1].values.end());
  CHECK(max_difference(both.values, values) < 1e-12);
}

TEST_CASE("attention maps are of every layer, and looking changes nothing", "[rmt]") {
  const TempDir folder;
  write_rmt_folder(folder.path(), named_shape("relative bias"), 31);
  const auto model = models::load_recurrent_model(folder.path(), DType::kFloat64);
  auto looked = model->initial(1), plain = looked;
  const auto text = text_ids(7, 1);
  const auto maps = model->attention(text, looked);
  model->read(text, plain);
  CHECK(max_difference(looked.values, plain.values) < 1e-12);
  REQUIRE(maps.size() == 2);
  const std::int64_t tokens = 1 + 3 + 1 + 7 + 1;
  CHECK(maps[0].rows == tokens);
  CHECK(maps[1].rows == 1 + 3);  // [CLS] and memory
  for (const auto& map : maps) {
    CHECK(map.heads == 3);
    CHECK(map.tokens == tokens);
    REQUIRE(std::ssize(map.values) == map.heads * map.rows * map.tokens);
    for (std::int64_t row = 0; row < map.heads * map.rows; ++row) {
      double sum = 0;
      for (std::int64_t j = 0; j < tokens; ++j) {
        sum += map.values[static_cast<std::size_t>(row * tokens + j)];
      }
      CHECK(sum == Approx(1).epsilon(1e-5));
    }
  }
}

}  // namespace
}  // namespace lethe::test
