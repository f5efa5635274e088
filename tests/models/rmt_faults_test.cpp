// SPDX-License-Identifier: Apache-2.0
// Checkpoints with recurrent memory that cannot be loaded, and segments that cannot be read.
#include <filesystem>
#include <limits>

#include "harness/base/json.h"
#include "models/rmt/recurrent_model.h"
#include "tests/models/file_support.h"
#include "tests/models/rmt_support.h"
#include "tests/support/catch.h"
#include "tests/support/fixtures.h"

namespace lethe::test {
namespace {

using Catch::Matchers::Contains;
using models::DType;
using Tensors = std::map<std::string, RandomTensor>;

std::string load_error(const std::filesystem::path& folder) {
  return error_of(ErrorKind::kModel,
                  [&] { models::load_recurrent_model(folder, DType::kFloat32); });
}

std::string load_error(const RmtShape& shape, const std::function<void(Tensors&)>& change) {
  const TempDir folder;
  write_rmt_folder(folder.path(), shape, 1, change);
  return load_error(folder.path());
}

TEST_CASE("models without recurrent memory are refused by name", "[rmt][fault]") {
  CHECK_THAT(load_error(golden("tiny/gpt2")),
             Contains("tiny/gpt2") && Contains("expected a checkpoint with recurrent memory") &&
                 Contains("found a model without"));
  CHECK_THAT(load_error(golden("tiny/bert")), Contains("lethe train rmt"));
  const TempDir nothing;
  CHECK_THAT(load_error(nothing.path()), Contains("found a model without"));

  // A decoder that says it has one.
  const TempDir folder;
  auto config = read_json_file(golden("tiny/gpt2/config.json"), ErrorKind::kModel).as_object();
  config["lethe_rmt"] = {
      {"memory_tokens", 2}, {"segment_tokens", 8},          {"cls_id", 0},
      {"sep_id", 1},        {"labels", json::array{"one"}}, {"training", json::object{}}};
  write_bytes(folder / "config.json", json::serialize(config));
  write_bytes(folder / "model.safetensors", bytes_of(golden("tiny/gpt2/model.safetensors")));
  CHECK_THAT(load_error(folder.path()), Contains("expected an encoder (bert), found a decoder"));
}

TEST_CASE("a damaged checkpoint with recurrent memory says what is wrong with it", "[rmt][fault]") {
  const RmtShape shape;
  CHECK_THAT(load_error(shape, [](Tensors& t) { t.erase("rmt.memory.weight"); }),
             Contains("expected tensor 'rmt.memory.weight'"));
  CHECK_THAT(load_error(shape, [](Tensors& t) { t.erase("classifier.bias"); }),
             Contains("classifier.bias"));
  CHECK_THAT(
      load_error(shape, [](Tensors& t) { t.erase("bert.encoder.layer.1.output.dense.weight"); }),
      Contains("bert.encoder.layer.1.output.dense.weight"));
  CHECK_THAT(load_error(shape,
                        [](Tensors& t) {
                          t["rmt.memory.weight"] = {{2, 24}, std::vector<float>(48, 0.5F)};
                        }),
             Contains("rmt.memory.weight") && Contains("[3, 24]") && Contains("[2, 24]"));
  const float bad =
      GENERATE(std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity());
  CHECK_THAT(load_error(shape, [&](Tensors& t) { t["rmt.memory.weight"].values[5] = bad; }),
             Contains("rmt.memory.weight") && Contains("finite"));
  RmtShape biased;
  biased.relative_clip = 4;
  CHECK_THAT(load_error(biased,
                        [](Tensors& t) {
                          t.erase("bert.encoder.layer.0.attention.self.relative_bias.weight");
                        }),
             Contains("relative_bias"));
}

TEST_CASE("members of lethe_rmt are checked", "[rmt][fault]") {
  const TempDir folder;
  write_rmt_folder(folder.path(), RmtShape(), 1);
  const auto original = read_json_file(folder / "config.json", ErrorKind::kModel);
  const auto error = [&](const char* member, const json::value& value) {
    auto config = original;
    auto& rmt = config.at("lethe_rmt").as_object();
    if (value.is_null()) {
      rmt.erase(member);
    } else {
      rmt[member] = value;
    }
    write_bytes(folder / "config.json", json::serialize(config));
    return load_error(folder.path());
  };
  CHECK_THAT(error("memory_tokens", -1), Contains("config.json") && Contains("memory_tokens") &&
                                             Contains("0 to 4096, found -1"));
  CHECK_THAT(error("memory_tokens", 5000), Contains("found 5000"));
  CHECK_THAT(error("memory_tokens", "three"), Contains("memory_tokens") && Contains("integer"));
  CHECK_THAT(error("segment_tokens", 0), Contains("segment_tokens: expected at least 1, found 0"));
  CHECK_THAT(error("sep_id", nullptr), Contains("sep_id"));
  CHECK_THAT(error("cls_id", 40), Contains("cls_id: expected 0 to 39") && Contains("found 40"));
  CHECK_THAT(error("sep_id", -1), Contains("sep_id: expected 0 to 39") && Contains("found -1"));
  CHECK_THAT(error("labels", json::array{1}), Contains("labels: expected names of classes"));
  CHECK_THAT(error("labels", json::array()), Contains("labels"));
  CHECK_THAT(error("training", 3), Contains("training: expected an object"));
  CHECK_THAT(error("memory_token", 3), Contains("memory_token") && Contains("did you mean"));
  // More than the positions of the encoder, 48.
  CHECK_THAT(error("segment_tokens", 43), Contains("43 text tokens with 3 memory") &&
                                              Contains("need 49 positions") && Contains("has 48"));
  CHECK_NOTHROW(write_rmt_folder(folder.path(), {.segment = 42}, 1));
  CHECK_NOTHROW(models::load_recurrent_model(folder.path(), DType::kFloat32));
}

TEST_CASE("a segment that cannot be read is refused", "[rmt][fault]") {
  const TempDir folder;
  write_rmt_folder(folder.path(), RmtShape(), 1);
  const auto model = models::load_recurrent_model(folder.path(), DType::kFloat32);
  const auto error = [&](const std::vector<std::int64_t>& ids) {
    auto memory = model->initial(1);
    return error_of(ErrorKind::kData, [&] { model->read(ids, memory); });
  };
  CHECK_THAT(error(std::vector<std::int64_t>(43, 1)),
             Contains("at most 42 text tokens") && Contains("found 43"));
  CHECK_THAT(error({1, 40}), Contains("token ids from 0 to 39, found 40"));
  CHECK_THAT(error({-1}), Contains("found -1"));
}

}  // namespace
}  // namespace lethe::test
