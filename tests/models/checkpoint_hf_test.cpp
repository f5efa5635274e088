// SPDX-License-Identifier: Apache-2.0
// Hugging Face folders and safetensors files.
#include <filesystem>
#include <limits>
#include <vector>

#include "models/checkpoint/checkpoint.h"
#include "models/checkpoint/safetensors.h"
#include "tests/models/file_support.h"
#include "tests/support/catch.h"
#include "tests/support/fixtures.h"

namespace lethe::models {
namespace {

namespace fs = std::filesystem;

/// A safetensors file of the given header and data.
std::string safetensors(std::string_view header, std::string_view data) {
  std::string bytes(8, '\0');
  test::overwrite(bytes, 0, static_cast<std::uint64_t>(header.size()));
  return bytes.append(header).append(data);
}

std::string open_error(const fs::path& path) {
  return test::error_of(ErrorKind::kModel, [&] { SafetensorsFile file(path); });
}

TEST_CASE("the tiny checkpoints load with both spellings of config.json") {
  for (const char* name : {"llama_mha", "llama_gqa_tied", "llama_bias_headdim"}) {
    INFO(name);
    const fs::path folder = test::golden("tiny/" + std::string(name));
    const auto classic = open_checkpoint(folder);
    const test::TempDir dir;
    fs::copy_file(folder / "model.safetensors", dir / "model.safetensors");
    fs::copy_file(folder / "config_v5.json", dir / "config.json");
    const auto v5 = open_checkpoint(dir.path());
    CHECK(classic->config() == v5->config());
    CHECK(classic->config().n_layers == 3);
    CHECK(classic->config().trained_length == 256);
    CHECK(classic->config().rope_theta == 10000.0);
    REQUIRE(classic->tensors().size() == v5->tensors().size());
    for (const TensorInfo& tensor : classic->tensors()) {
      std::vector<float> values(static_cast<std::size_t>(tensor.elements()));
      CHECK_NOTHROW(v5->read(tensor.name, values));
    }
  }
}

TEST_CASE("the tiny configurations carry what their names say") {
  const auto tied = open_checkpoint(test::golden("tiny/llama_gqa_tied"));
  CHECK(tied->config().tied_embeddings);
  CHECK(tied->config().n_kv_heads < tied->config().n_heads);
  const auto biased = open_checkpoint(test::golden("tiny/llama_bias_headdim"));
  CHECK(biased->config().attention_bias);
  CHECK(biased->config().mlp_bias);
  CHECK(biased->config().head_dim == 12);
  CHECK(biased->has("model.layers.0.self_attn.q_proj.bias"));
  CHECK(biased->files().size() == 2);
}

TEST_CASE("16-bit checkpoints widen to float32") {
  for (const char* name : {"bf16", "fp16"}) {
    const auto checkpoint = open_checkpoint(test::golden("tiny/llama_mha_" + std::string(name)));
    const auto reference = open_checkpoint(test::golden("tiny/llama_mha"));
    const std::string tensor = "model.layers.1.mlp.up_proj.weight";
    std::vector<float> values(64 * 32);
    std::vector<float> expected(64 * 32);
    checkpoint->read(tensor, values);
    reference->read(tensor, expected);
    CHECK(values != expected);
    for (std::size_t i = 0; i < values.size(); ++i) {
      REQUIRE(std::abs(values[i] - expected[i]) <= 0x1p-8F * std::abs(expected[i]) + 0x1p-24F);
    }
  }
}

TEST_CASE("typed reading of safetensors arrays") {
  const test::TempDir dir;
  std::string data(8 + 4 + 2 + 2 + 8 + 4 + 1, '\0');
  test::overwrite(data, 0, 0.1);
  test::overwrite(data, 8, 0.1F);
  test::overwrite(data, 12, std::uint16_t{0x3e00});
  test::overwrite(data, 14, std::uint16_t{0x3fc0});
  test::overwrite(data, 16, std::numeric_limits<std::int64_t>::min());
  test::overwrite(data, 24, std::int32_t{-7});
  test::overwrite(data, 28, std::uint8_t{255});
  test::write_bytes(dir / "x.safetensors", safetensors(R"({"__metadata__": {"format": "pt"},
      "d": {"dtype": "F64", "shape": [1], "data_offsets": [0, 8]},
      "f": {"dtype": "F32", "shape": [1, 1], "data_offsets": [8, 12]},
      "h": {"dtype": "F16", "shape": [], "data_offsets": [12, 14]},
      "b": {"dtype": "BF16", "shape": [1], "data_offsets": [14, 16]},
      "empty": {"dtype": "F32", "shape": [3, 0], "data_offsets": [16, 16]},
      "l": {"dtype": "I64", "shape": [1], "data_offsets": [16, 24]},
      "i": {"dtype": "I32", "shape": [1], "data_offsets": [24, 28]},
      "u": {"dtype": "U8", "shape": [1], "data_offsets": [28, 29]}})",
                                                       data));
  const SafetensorsFile file(dir / "x.safetensors");
  CHECK(file.read_f64("d") == std::vector<double>{0.1});
  CHECK(file.read_f64("f") == std::vector<double>{static_cast<double>(0.1F)});
  CHECK(file.read_f32("h") == std::vector<float>{1.5F});
  CHECK(file.read_f32("b") == std::vector<float>{1.5F});
  CHECK(file.read_f32("empty").empty());
  CHECK(file.read_i64("l") == std::vector<std::int64_t>{std::numeric_limits<std::int64_t>::min()});
  CHECK(file.read_i64("i") == std::vector<std::int64_t>{-7});
  CHECK(file.read_i64("u") == std::vector<std::int64_t>{255});
  CHECK(file.shape("f") == std::vector<std::int64_t>{1, 1});
  CHECK_FALSE(file.has("__metadata__"));
  CHECK_THROWS_AS(file.read_f32("d"), Error);
  CHECK_THROWS_AS(file.read_f64("i"), Error);
  CHECK_THROWS_AS(file.read_i64("f"), Error);
  CHECK_THROWS_AS(file.shape("absent"), Error);
}

TEST_CASE("safetensors headers that do not fit the file are refused") {
  const test::TempDir dir;
  const fs::path path = dir / "x.safetensors";
  const auto refused = [&](std::string_view header, const std::string& expected) {
    test::write_bytes(path, safetensors(header, "01234567"));
    const std::string message = open_error(path);
    INFO(message);
    CHECK(message.find(expected) != std::string::npos);
    CHECK(message.find("x.safetensors") != std::string::npos);
  };
  refused("[1]", "expected an object");
  refused("{", "not valid JSON");
  refused(R"({"a": 3})", "expected an object");
  refused(R"({"a": {"dtype": "F32", "shape": [2]}})", "'data_offsets' is missing");
  refused(R"({"a": {"dtype": "X9", "shape": [2], "data_offsets": [0, 8]}})", "found X9");
  refused(R"({"a": {"dtype": "F32", "shape": [3], "data_offsets": [0, 8]}})", "expected 12 bytes");
  refused(R"({"a": {"dtype": "F32", "shape": [-2], "data_offsets": [0, 8]}})", "from 0 on");
  refused(R"({"a": {"dtype": "F32", "shape": [2.5], "data_offsets": [0, 8]}})", "from 0 on");
  refused(R"({"a": {"dtype": "F32", "shape": [2], "data_offsets": [0]}})", "expected 2 numbers");
  refused(R"({"a": {"dtype": "F32", "shape": [2], "data_offsets": [8, 0]}})", "inside the 8 bytes");
  refused(R"({"a": {"dtype": "F32", "shape": [4], "data_offsets": [0, 16]}})", "inside the 8");
  refused(R"({"a": {"dtype": "F32", "shape": [4611686018427387904, 4],
           "data_offsets": [0, 8]}})",
          "does not fit 63 bits");
  refused(R"({"a": {"dtype": "F32", "shape": [1], "data_offsets": [4, 8]}})", "start at byte 0");
  refused(R"({"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}})", "expected 4 bytes");
  refused(R"({"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]},
           "b": {"dtype": "F32", "shape": [1], "data_offsets": [4, 8]}})",
          "start at byte 8");
  std::string huge = safetensors("{}", "");
  test::overwrite(huge, 0, ~std::uint64_t{0});
  test::write_bytes(path, huge);
  CHECK(open_error(path).find("header length") != std::string::npos);
  test::write_bytes(path, "1234567");
  CHECK(open_error(path).find("found 7 bytes") != std::string::npos);
}

}  // namespace
}  // namespace lethe::models
