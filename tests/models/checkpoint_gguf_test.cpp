// SPDX-License-Identifier: Apache-2.0
// GGUF reading against the goldens: every format bit by bit, every tensor of the real model.
#include <bit>
#include <cmath>
#include <cstdint>
#include <vector>

#include "harness/base/json.h"
#include "models/checkpoint/checkpoint.h"
#include "models/checkpoint/dequantize.h"
#include "models/checkpoint/gguf.h"
#include "models/checkpoint/safetensors.h"
#include "tests/models/file_support.h"
#include "tests/models/gguf_writer.h"
#include "tests/support/catch.h"
#include "tests/support/fixtures.h"

namespace lethe::models {
namespace {

std::vector<std::byte> from_hex(std::string_view hex) {
  std::vector<std::byte> bytes;
  for (std::size_t i = 0; i + 1 < hex.size(); i += 2) {
    bytes.push_back(static_cast<std::byte>(std::stoi(std::string(hex.substr(i, 2)), nullptr, 16)));
  }
  return bytes;
}

std::vector<float> dequantized(const GgmlFormat& format, const std::vector<std::byte>& bytes) {
  std::vector<float> values(bytes.size() / format.block_bytes * format.block_values);
  format.dequantize(bytes.data(), values);
  return values;
}

std::vector<float> values_of(const Checkpoint& checkpoint, std::string_view name) {
  std::vector<float> values(static_cast<std::size_t>(checkpoint.info(name).elements()));
  checkpoint.read(name, values);
  return values;
}

// Boost.JSON 1.81 may be off in the last bit of a double; the float nearest to it is exact.
float nearest_float(const json::value& value) {
  return static_cast<float>(value.to_number<double>());
}

TEST_CASE("every readable ggml format gives the golden bits") {
  const json::value golden =
      read_json_file(test::golden("gguf/dequant_vectors.json"), ErrorKind::kData);
  int checked = 0;
  for (const json::value& item : golden.at("dequantise").as_array()) {
    const std::string type(item.at("type").as_string());
    const auto id = static_cast<std::uint32_t>(item.at("ggml_type_id").to_number<int>());
    CHECK(ggml_type_name(id) == type);
    const GgmlFormat* format = find_ggml_format(id);
    INFO(type);
    REQUIRE(format != nullptr);
    CHECK(format->name == type);
    CHECK(format->block_values == item.at("block_values").to_number<std::size_t>());
    CHECK(format->block_bytes == item.at("block_bytes").to_number<std::size_t>());
    const auto values = dequantized(*format, from_hex(item.at("bytes_hex").as_string()));
    const auto expected = from_hex(item.at("values_f32_hex").as_string());
    REQUIRE(values.size() * 4 == expected.size());
    for (std::size_t i = 0; i < values.size(); ++i) {
      INFO("value " << i);
      CHECK(std::bit_cast<std::uint32_t>(values[i]) ==
            load_little_endian<std::uint32_t>(expected.data() + 4 * i));
    }
    ++checked;
  }
  CHECK(checked == 17);  // all but F32, which needs no vector
}

TEST_CASE("blocks of real tensors dequantise exactly") {
  const json::value golden =
      read_json_file(test::golden("gguf/dequant_vectors.json"), ErrorKind::kData);
  for (const json::value& item : golden.at("real_blocks").as_array()) {
    INFO(item.at("tensor").as_string());
    const std::uint32_t id = item.at("type").as_string() == "Q4_1" ? 3 : 8;
    const auto values =
        dequantized(*find_ggml_format(id), from_hex(item.at("bytes_hex").as_string()));
    const json::array& expected = item.at("values").as_array();
    REQUIRE(values.size() == expected.size());
    for (std::size_t i = 0; i < values.size(); ++i) {
      CHECK(values[i] == nearest_float(expected[i]));
    }
  }
}

TEST_CASE("half precision covers subnormals, infinities and NaN") {
  CHECK(half_to_float(0x0001) == 0x1p-24F);
  CHECK(half_to_float(0x83ff) == -0x3ffp-24F);
  CHECK(half_to_float(0x0400) == 0x1p-14F);
  CHECK(half_to_float(0x3c00) == 1.0F);
  CHECK(half_to_float(0x7bff) == 65504.0F);
  CHECK(std::signbit(half_to_float(0x8000)));
  CHECK(half_to_float(0xfc00) == -INFINITY);
  CHECK(std::isnan(half_to_float(0x7e00)));
}

TEST_CASE("all tensors of the default model have the golden sums") {
  const json::value golden =
      read_json_file(test::golden("gguf/smollm2_tensor_checksums.json"), ErrorKind::kData);
  const json::array& expected = golden.at("tensors").as_array();
  const GgufFile file(test::default_model());
  CHECK(file.version() == 3);
  REQUIRE(file.tensors().size() == expected.size());
  REQUIRE(expected.size() == 272);
  std::vector<float> values;
  for (std::size_t i = 0; i < expected.size(); ++i) {
    const GgufTensor& tensor = file.tensors()[i];
    INFO(tensor.name);
    CHECK(tensor.name == expected[i].at("name").as_string());
    CHECK(ggml_type_name(tensor.type) == expected[i].at("type").as_string());
    const json::array& ne = expected[i].at("ne").as_array();
    REQUIRE(tensor.ne.size() == ne.size());
    for (std::size_t d = 0; d < ne.size(); ++d) CHECK(tensor.ne[d] == ne[d].as_int64());
    values.resize(static_cast<std::size_t>(tensor.elements()));
    file.read(tensor, values);
    double sum = 0.0;
    double sum_sq = 0.0;
    for (const float value : values) {
      sum += static_cast<double>(value);
      sum_sq += static_cast<double>(value) * static_cast<double>(value);
    }
    // The golden sums pairwise, this test in order: only the order of rounding differs.
    const double sum_sq_golden = expected[i].at("sum_sq").to_number<double>();
    CHECK(std::abs(sum_sq - sum_sq_golden) <= 1e-9 * sum_sq_golden);
    CHECK(std::abs(sum - expected[i].at("sum").to_number<double>()) <=
          1e-9 * (1.0 + std::sqrt(sum_sq_golden * static_cast<double>(values.size()))));
    for (std::size_t j = 0; j < 4; ++j) {
      CHECK(values[j] == nearest_float(expected[i].at("first4").at(j)));
      CHECK(values[values.size() - 4 + j] == nearest_float(expected[i].at("last4").at(j)));
    }
  }
}

TEST_CASE("the default model is presented in Hugging Face terms") {
  const auto checkpoint = open_checkpoint(test::default_model());
  const ModelConfig& config = checkpoint->config();
  CHECK(config.architecture == "llama");
  CHECK(config.vocab_size == 49152);
  CHECK(config.hidden_size == 576);
  CHECK(config.intermediate_size == 1536);
  CHECK(config.n_layers == 30);
  CHECK(config.n_heads == 9);
  CHECK(config.n_kv_heads == 3);
  CHECK(config.head_dim == 64);
  CHECK(config.trained_length == 8192);
  CHECK(config.rope_theta == 100000.0);
  CHECK(config.norm_eps == static_cast<double>(1e-5F));
  CHECK(config.tied_embeddings);
  CHECK_FALSE(config.attention_bias);
  CHECK_FALSE(config.mlp_bias);
  CHECK(checkpoint->tensors().size() == 272);
  CHECK(checkpoint->has("model.layers.29.mlp.down_proj.weight"));
  CHECK_FALSE(checkpoint->has("lm_head.weight"));
  CHECK(checkpoint->info("model.embed_tokens.weight").storage == "Q8_0");
  const std::vector<std::int64_t> down = {576, 1536};
  CHECK_NOTHROW(checkpoint->expect_shape("model.layers.0.mlp.down_proj.weight", down));
  CHECK(checkpoint->files() == std::vector<std::filesystem::path>{test::default_model()});
}

TEST_CASE("a tiny llama of mixed storage equals Hugging Face value by value") {
  const auto checkpoint = open_checkpoint(test::golden("gguf/tiny_llama_mixed.gguf"));
  const SafetensorsFile golden(test::golden("gguf/tiny_llama_golden.safetensors"));
  const std::string prefix = "mixed.hf.";
  int checked = 0;
  for (const auto& [name, entry] : golden.entries()) {
    if (!name.starts_with(prefix)) continue;
    INFO(name);
    const std::string tensor = name.substr(prefix.size());
    CHECK_NOTHROW(checkpoint->expect_shape(tensor, entry.shape));
    CHECK(values_of(*checkpoint, tensor) == golden.read_f32(name));
    ++checked;
  }
  CHECK(checked == 9);
}

TEST_CASE("the storage variants of the tiny llama agree within their precision") {
  const auto reference = open_checkpoint(test::golden("gguf/tiny_llama_f32.gguf"));
  const std::pair<const char*, double> variants[] = {{"f16", 1e-3}, {"q8_0", 2e-2}};
  for (const auto& [name, tolerance] : variants) {
    INFO(name);
    const auto other =
        open_checkpoint(test::golden("gguf/tiny_llama_" + std::string(name) + ".gguf"));
    REQUIRE(other->tensors().size() == 21);
    CHECK_FALSE(other->config().tied_embeddings);
    for (const TensorInfo& tensor : reference->tensors()) {
      INFO(tensor.name);
      const auto expected = values_of(*reference, tensor.name);
      const auto found = values_of(*other, tensor.name);
      float largest = 0.0F;
      for (const float value : expected) largest = std::max(largest, std::abs(value));
      for (std::size_t i = 0; i < expected.size(); ++i) {
        REQUIRE(std::abs(static_cast<double>(expected[i] - found[i])) <=
                tolerance * static_cast<double>(largest));
      }
    }
  }
}

TEST_CASE("version 2 of GGUF reads as version 3 does") {
  const test::TempDir dir;
  const auto source = test::golden("gguf/tiny_llama_mixed.gguf");
  std::string bytes = test::bytes_of(source);
  test::overwrite(bytes, 4, std::uint32_t{2});
  test::write_bytes(dir / "v2.gguf", bytes);
  CHECK(GgufFile(dir / "v2.gguf").version() == 2);
  const auto older = open_checkpoint(dir / "v2.gguf");
  const auto newer = open_checkpoint(source);
  CHECK(older->config() == newer->config());
  REQUIRE(older->tensors().size() == newer->tensors().size());
  for (const TensorInfo& tensor : newer->tensors()) {
    CHECK(values_of(*older, tensor.name) == values_of(*newer, tensor.name));
  }
}

/// A llama of one layer, heads of 8 and a vocabulary of 3; tensors that nobody reads are left out.
test::GgufWriter small_llama() {
  return test::GgufWriter()
      .text("general.architecture", "llama")
      .uint32("llama.embedding_length", 16)
      .uint32("llama.feed_forward_length", 32)
      .uint32("llama.block_count", 1)
      .uint32("llama.attention.head_count", 2)
      .uint32("llama.context_length", 64)
      .float32("llama.attention.layer_norm_rms_epsilon", 1e-5F)
      .tensor("token_embd.weight", {16, 3}, std::vector<float>(48, 0.5F));
}

TEST_CASE("rope scaling of a GGUF file is read, or refused by name") {
  const test::TempDir dir;
  const auto open = [&](const test::GgufWriter& writer) {
    test::write_bytes(dir / "x.gguf", writer.bytes());
    return open_checkpoint(dir / "x.gguf");
  };
  const auto refused = [&](const test::GgufWriter& writer, const std::string& expected) {
    const std::string message = test::error_of(ErrorKind::kModel, [&] { open(writer); });
    INFO(message);
    CHECK(message.find(expected) != std::string::npos);
  };
  CHECK(open(small_llama())->config().rope == RopeScaling());

  auto linear = small_llama();
  linear.text("llama.rope.scaling.type", "linear").float32("llama.rope.scaling.factor", 4.0F);
  RopeScaling expected;
  expected.kind = RopeKind::kLinear;
  expected.factor = 4;
  expected.original_length = 64;
  CHECK(open(linear)->config().rope == expected);

  auto divided = small_llama();
  divided.tensor("rope_freqs.weight", {4}, {1, 1, 2, 8});
  const auto llama3 = open(divided);
  CHECK(llama3->config().rope.kind == RopeKind::kDivisors);
  CHECK(llama3->config().rope.divisors == std::vector<float>{1, 1, 2, 8});
  CHECK(llama3->tensors().size() == 1);  // the divisors are configuration
  CHECK_NOTHROW(require_supported(llama3->config(), "x"));

  refused(small_llama().tensor("rope_freqs.weight", {5}, {1, 1, 2, 8, 8}),
          "expected 4 divisors of frequencies, found 5");
  refused(small_llama().tensor("rope_freqs.weight", {4}, {1, 1, 0, 8}), "divisor: expected a");
  refused(small_llama().text("llama.rope.scaling.type", "longrope"), "found 'longrope'");
  refused(small_llama().uint32("llama.rope.dimension_count", 4), "expected the head dimension 8");

  auto yarn = small_llama();
  yarn.text("llama.rope.scaling.type", "yarn")
      .float32("llama.rope.scaling.factor", 4.0F)
      .uint32("llama.rope.scaling.original_context_length", 16);
  expected.kind = RopeKind::kYarn;
  expected.original_length = 16;
  CHECK(open(yarn)->config().rope == expected);
  refused(linear.tensor("rope_freqs.weight", {4}, {1, 1, 2, 8}), "beside the tensor");
  refused(small_llama().uint32("split.count", 3), "one of 3 parts");
}

TEST_CASE("a GGUF file of every family has the tensors and the configuration of its folder") {
  for (const std::string name : {"qwen2", "qwen3", "phi3", "gemma2", "gpt2", "gpt_neox",
                                 "llama_rope_linear", "llama_rope_llama3", "llama_bias_headdim"}) {
    INFO(name);
    const auto gguf = open_checkpoint(test::golden("gguf/families/" + name + ".gguf"));
    const auto folder = open_checkpoint(test::golden("tiny/" + name));
    ModelConfig config = gguf->config();
    ModelConfig expected = folder->config();
    CHECK(std::abs(config.norm_eps - expected.norm_eps) < 1e-11);  // a float32 in the file
    config.norm_eps = expected.norm_eps;
    if (name == "gemma2") {  // see the folder's README.md
      CHECK(config.query_pre_attn_scalar == 8);
      config.query_pre_attn_scalar = expected.query_pre_attn_scalar;
    }
    if (name == "llama_rope_llama3") {
      CHECK(config.rope.kind == RopeKind::kDivisors);
      config.rope = expected.rope;
    }
    CHECK(config == expected);
    std::size_t shared = 0;
    for (const TensorInfo& tensor : folder->tensors()) {
      INFO(tensor.name);
      REQUIRE(gguf->has(tensor.name));
      CHECK(gguf->info(tensor.name).shape == tensor.shape);
      const auto found = values_of(*gguf, tensor.name);
      const auto values = values_of(*folder, tensor.name);
      // Adding 1 to a norm of Gemma and taking it away again costs a bit.
      const float tolerance = name == "gemma2" && tensor.shape.size() == 1 ? 3e-7F : 0;
      CHECK(std::equal(found.begin(), found.end(), values.begin(), values.end(),
                       [&](float a, float b) { return std::abs(a - b) <= tolerance; }));
      ++shared;
    }
    CHECK(shared == gguf->tensors().size());
  }
}

TEST_CASE("vocabulary and embedding of different size are found when a GGUF file is opened") {
  const test::TempDir dir;
  const auto refused = [&](const test::GgufWriter& writer, const std::string& expected) {
    test::write_bytes(dir / "x.gguf", writer.bytes());
    const std::string message =
        test::error_of(ErrorKind::kModel, [&] { open_checkpoint(dir / "x.gguf"); });
    INFO(message);
    CHECK(message.find(expected) != std::string::npos);
  };
  refused(small_llama().uint32("llama.vocab_size", 4),
          "'token_embd.weight': expected 4 rows, as key 'llama.vocab_size' says, found 3");
  refused(small_llama().texts("tokenizer.ggml.tokens", {"a", "b"}),
          "expected 2 rows, as key 'tokenizer.ggml.tokens' says, found 3");
}

TEST_CASE("metadata getters check the type") {
  const GgufFile file(test::golden("gguf/tiny_llama_f32.gguf"));
  CHECK(file.string("general.architecture") == "llama");
  CHECK(file.integer("llama.block_count") == 2);
  CHECK(file.number("llama.rope.freq_base") == 10000.0);
  CHECK(file.number("llama.block_count") == 2.0);
  CHECK_FALSE(file.find_integer("llama.absent").has_value());
  const auto throws = [&](auto&& action, const std::string& expected) {
    const std::string message = test::error_of(ErrorKind::kModel, action);
    INFO(message);
    CHECK(message.find("tiny_llama_f32.gguf") != std::string::npos);
    CHECK(message.find(expected) != std::string::npos);
  };
  throws([&] { (void)file.integer("llama.absent"); }, "'llama.absent': expected an integer");
  throws([&] { (void)file.integer("general.architecture"); }, "found string");
  throws([&] { (void)file.string("llama.block_count"); }, "found uint32");
  throws([&] { (void)file.find_boolean("llama.block_count"); }, "expected a bool");
  throws([&] { (void)file.strings("general.architecture"); }, "expected an array of strings");
}

}  // namespace
}  // namespace lethe::models
