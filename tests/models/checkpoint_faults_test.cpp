// SPDX-License-Identifier: Apache-2.0
// Damaged, foreign and incomplete checkpoints: an Error that names the culprit, never a crash.
#include <filesystem>
#include <limits>
#include <span>
#include <vector>

#include "harness/base/seed.h"
#include "models/checkpoint/checkpoint.h"
#include "models/checkpoint/gguf.h"
#include "models/checkpoint/safetensors.h"
#include "tests/models/file_support.h"
#include "tests/support/catch.h"
#include "tests/support/fixtures.h"

namespace lethe::models {
namespace {

namespace fs = std::filesystem;

void read_everything(const Checkpoint& checkpoint) {
  for (const TensorInfo& tensor : checkpoint.tensors()) {
    std::vector<float> values(static_cast<std::size_t>(tensor.elements()));
    checkpoint.read(tensor.name, values);
  }
}

/// Opens and reads all of it: true when that works, false after an Error about the model. Anything
/// else (another exception, a crash, a sanitizer report) fails the test.
bool loads(const fs::path& path) {
  try {
    read_everything(*open_checkpoint(path));
    return true;
  } catch (const Error& error) {
    REQUIRE(error.kind() == ErrorKind::kModel);
    REQUIRE(std::string(error.what()).size() > 20);
    return false;
  }
}

std::string open_error(const fs::path& path) {
  return test::error_of(ErrorKind::kModel, [&] { read_everything(*open_checkpoint(path)); });
}

/// Offset in the file of an array's data, which is expected to occur once.
std::size_t offset_of(const std::string& bytes, std::span<const std::byte> data) {
  const std::size_t at =
      bytes.find(std::string_view(reinterpret_cast<const char*>(data.data()), data.size()));
  REQUIRE(at != std::string::npos);
  return at;
}

void flip_bits(std::string& bytes, std::size_t region, RandomStream& random) {
  const std::uint64_t flips = 1 + random.below(3);
  for (std::uint64_t i = 0; i < flips; ++i) {
    const std::size_t at = random.below(region);
    bytes[at] = static_cast<char>(bytes[at] ^ (1 << random.below(8)));
  }
}

TEST_CASE("a truncated GGUF file is refused at every length") {
  const test::TempDir dir;
  const std::string whole = test::bytes_of(test::golden("gguf/tiny_llama_mixed.gguf"));
  const fs::path path = dir / "cut.gguf";
  for (std::size_t length = 1; length + 32 < whole.size(); length += length < 2600 ? 13 : 997) {
    INFO(length);
    test::write_bytes(path, whole.substr(0, length));
    REQUIRE_FALSE(loads(path));
  }
  test::write_bytes(path, whole);
  CHECK(loads(path));
}

TEST_CASE("bit flips in a GGUF header give an error or another valid file") {
  const test::TempDir dir;
  const fs::path source = test::golden("gguf/tiny_llama_mixed.gguf");
  const std::string whole = test::bytes_of(source);
  const GgufFile gguf(source);
  const std::size_t header = offset_of(whole, gguf.find_tensor("token_embd.weight")->data);
  REQUIRE(header < 4096);
  RandomStream random(20240106);
  int refused = 0;
  for (int i = 0; i < 500; ++i) {
    std::string bytes = whole;
    flip_bits(bytes, header, random);
    test::write_bytes(dir / "flipped.gguf", bytes);
    INFO("mutation " << i);
    refused += loads(dir / "flipped.gguf") ? 0 : 1;
  }
  CHECK(refused > 250);
}

TEST_CASE("claimed counts, lengths and offsets never decide an allocation") {
  const test::TempDir dir;
  const fs::path source = test::golden("gguf/tiny_llama_f32.gguf");
  const std::string whole = test::bytes_of(source);
  const auto refused = [&](std::size_t at, auto value, const std::string& expected) {
    std::string bytes = whole;
    test::overwrite(bytes, at, value);
    test::write_bytes(dir / "claims.gguf", bytes);
    const std::string message = open_error(dir / "claims.gguf");
    INFO(message);
    CHECK(message.find(expected) != std::string::npos);
    CHECK(message.find("claims.gguf") != std::string::npos);
  };
  const std::uint64_t huge = std::numeric_limits<std::uint64_t>::max();
  refused(0, std::uint32_t{0x46554748}, "expected a GGUF file");
  refused(4, std::uint32_t{1}, "found version 1");
  refused(4, std::uint32_t{0x03000000}, "found a big-endian one");
  refused(8, huge, "tensor count");
  refused(16, huge, "metadata count");
  refused(24, huge, "key 0");
  const std::size_t entry = whole.find("token_embd.weight") + 17;
  refused(entry - 17 - 8, huge, "name of tensor 0");
  refused(entry, std::uint32_t{5}, "1 to 4 dimensions, found 5");
  refused(entry, std::uint32_t{0}, "1 to 4 dimensions, found 0");
  refused(entry + 4, huge, "extent 0");
  refused(entry + 4, std::uint64_t{0}, "extent 0");
  refused(entry + 4, std::uint64_t{1} << 40, "bytes of data in all");
  refused(entry + 20, std::uint32_t{18}, "found IQ3_XXS");
  refused(entry + 20, std::uint32_t{4000}, "found type 4000");
  refused(entry + 24, std::uint64_t{33}, "multiple of 32, found 33");
  refused(entry + 24, huge - 31, "bytes of data in all");
  refused(entry + 24, std::uint64_t{32768}, "overlap");
}

TEST_CASE("errors about storage types list those that can be read") {
  const test::TempDir dir;
  std::string bytes = test::bytes_of(test::golden("gguf/tiny_llama_f32.gguf"));
  test::overwrite(bytes, bytes.find("token_embd.weight") + 17 + 20, std::uint32_t{15});
  test::write_bytes(dir / "k.gguf", bytes);
  const std::string message = open_error(dir / "k.gguf");
  CHECK(message.find("'token_embd.weight'") != std::string::npos);
  CHECK(message.find("F32, F16, BF16, Q8_0, Q4_0, Q4_1, Q5_0, Q5_1, Q2_K, Q3_K, ") !=
        std::string::npos);
  CHECK(message.find("Q8_K") != std::string::npos);
}

TEST_CASE("foreign architectures and tensors are named") {
  const test::TempDir dir;
  const std::string whole = test::bytes_of(test::golden("gguf/tiny_llama_f32.gguf"));
  const auto message_after = [&](std::string_view from, std::string_view to) {
    std::string bytes = whole;
    test::replace_once(bytes, from, to);
    test::write_bytes(dir / "other.gguf", bytes);
    return open_error(dir / "other.gguf");
  };
  CHECK(message_after("llama", "mamba")
            .find("(llama, qwen2, qwen3, phi3, gemma2, gpt2, gptneox), found 'mamba'") !=
        std::string::npos);
  CHECK(message_after("blk.1.ffn_up", "blk.1.ffn_uq").find("'blk.1.ffn_uq.weight'") !=
        std::string::npos);
  CHECK(message_after("blk.1.ffn_up", "blk.7.ffn_up").find("2 layers") != std::string::npos);
  CHECK(message_after("blk.1.ffn_up", "blk.0.ffn_up").find("found it twice") != std::string::npos);
  CHECK(message_after("token_embd", "token_embe").find("'token_embd.weight'") != std::string::npos);
  CHECK(message_after("llama.embedding_length", "llama.embedding_lengtX")
            .find("'llama.embedding_length'") != std::string::npos);
}

TEST_CASE("NaN and infinite weights name tensor and index") {
  const test::TempDir dir;
  const fs::path source = test::golden("gguf/tiny_llama_f32.gguf");
  std::string bytes = test::bytes_of(source);
  const GgufFile gguf(source);
  const std::size_t at = offset_of(bytes, gguf.find_tensor("blk.1.ffn_down.weight")->data);
  test::overwrite(bytes, at + 4 * 70, std::numeric_limits<float>::quiet_NaN());
  test::write_bytes(dir / "nan.gguf", bytes);
  const std::string nan = open_error(dir / "nan.gguf");
  CHECK(nan.find("nan.gguf: tensor 'blk.1.ffn_down.weight': ") != std::string::npos);
  CHECK(nan.find("found NaN at index 70 of 2048") != std::string::npos);

  fs::copy(test::golden("tiny/llama_mha"), dir / "hf");
  const fs::path weights = dir / "hf" / "model.safetensors";
  const SafetensorsFile file(weights);
  bytes = test::bytes_of(weights);
  const std::size_t start = offset_of(bytes, file.entry("model.norm.weight").data);
  test::overwrite(bytes, start + 4 * 31, -std::numeric_limits<float>::infinity());
  fs::create_directory(dir / "inf");
  fs::copy_file(dir / "hf" / "config.json", dir / "inf" / "config.json");
  test::write_bytes(dir / "inf" / "model.safetensors", bytes);
  const std::string inf = open_error(dir / "inf");
  CHECK(inf.find("inf/model.safetensors: tensor 'model.norm.weight': ") != std::string::npos);
  CHECK(inf.find("found infinity at index 31 of 32") != std::string::npos);
}

TEST_CASE("missing tensors and wrong shapes are explained") {
  const auto checkpoint = open_checkpoint(test::golden("tiny/llama_mha"));
  const std::string missing =
      test::error_of(ErrorKind::kModel, [&] { checkpoint->info("model.nurm.weight"); });
  CHECK(missing.find("expected tensor 'model.nurm.weight'") != std::string::npos);
  CHECK(missing.find("'model.norm.weight'") != std::string::npos);
  const std::vector<std::int64_t> wrong = {32, 200};
  const std::string shape =
      test::error_of(ErrorKind::kModel, [&] { checkpoint->expect_shape("lm_head.weight", wrong); });
  CHECK(shape.find("model.safetensors: tensor 'lm_head.weight': expected shape [32, 200], found "
                   "[200, 32]") != std::string::npos);
}

TEST_CASE("errors name the tensors of a GGUF file and the shards of a folder as they are there") {
  const auto gguf = open_checkpoint(test::golden("gguf/tiny_llama_f32.gguf"));
  const auto missing = [&](std::string_view name) {
    return test::error_of(ErrorKind::kModel, [&] { gguf->info(name); });
  };
  CHECK(missing("model.layers.7.self_attn.q_proj.weight")
            .find("expected tensor 'blk.7.attn_q.weight', found") != std::string::npos);
  CHECK(
      missing("model.layers.7.self_attn.q_proj.weight").find("nearest is 'blk.0.attn_q.weight'") !=
      std::string::npos);
  CHECK(missing("model.layers.1").find("'model.layers.1'") != std::string::npos);
  CHECK(missing("model.layers.").find("'model.layers.'") != std::string::npos);
  CHECK(missing("nothing").find("'nothing'") != std::string::npos);
  const std::vector<std::int64_t> wrong = {1};
  const auto misshapen = [&](const Checkpoint& checkpoint, std::string_view name) {
    return test::error_of(ErrorKind::kModel, [&] { checkpoint.expect_shape(name, wrong); });
  };
  CHECK(misshapen(*gguf, "model.norm.weight").find("f32.gguf: tensor 'output_norm.weight': ") !=
        std::string::npos);
  const auto folder = open_checkpoint(test::golden("tiny/llama_mha_sharded"));
  for (const TensorInfo& tensor : folder->tensors()) {
    const SafetensorsFile shard(folder->file_of(tensor.name));
    CHECK(shard.entries().contains(tensor.name));
    CHECK(misshapen(*folder, tensor.name).starts_with(folder->file_of(tensor.name)));
  }
}

TEST_CASE("paths that are no checkpoint say what was expected") {
  const test::TempDir dir;
  CHECK(open_error(dir / "absent").find("found no such file") != std::string::npos);
  CHECK(open_error(dir.path()).find("found no config.json") != std::string::npos);
  test::write_bytes(dir / "model.gguf", "GGUF");
  CHECK(open_error(dir.path()).find("it holds a GGUF file") != std::string::npos);
  CHECK(open_error(dir / "model.gguf").find("version") != std::string::npos);
  test::write_bytes(dir / "text.gguf", "once upon a time");
  CHECK(open_error(dir / "text.gguf").find("expected a GGUF file") != std::string::npos);
  test::write_bytes(dir / "empty.gguf", "");
  CHECK(open_error(dir / "empty.gguf").find("is empty") != std::string::npos);
  const fs::path golden = test::golden("tiny/llama_mha");
  CHECK(open_error(golden / "model.safetensors").find("give the folder") != std::string::npos);
  fs::copy_file(golden / "config.json", dir / "config.json");
  CHECK(open_error(dir.path()).find("found no model.safetensors") != std::string::npos);
  test::write_bytes(dir / "model.safetensors.index.json", "{}");
  CHECK(open_error(dir.path()).find("'weight_map' is missing") != std::string::npos);
}

TEST_CASE("damaged safetensors files give an error or another valid file") {
  const test::TempDir dir;
  const fs::path golden = test::golden("tiny/llama_mha_bf16");
  fs::copy_file(golden / "config.json", dir / "config.json");
  const std::string whole = test::bytes_of(golden / "model.safetensors");
  const fs::path path = dir / "model.safetensors";
  std::uint64_t header = 0;
  std::memcpy(&header, whole.data(), sizeof header);
  SECTION("truncated") {
    for (std::size_t length = 1; length < whole.size(); length += length < 4000 ? 37 : 2999) {
      INFO(length);
      test::write_bytes(path, whole.substr(0, length));
      REQUIRE_FALSE(loads(dir.path()));
    }
  }
  SECTION("bits flipped") {
    RandomStream random(7);
    int refused = 0;
    for (int i = 0; i < 500; ++i) {
      std::string bytes = whole;
      flip_bits(bytes, 8 + header, random);
      test::write_bytes(path, bytes);
      INFO("mutation " << i);
      refused += loads(dir.path()) ? 0 : 1;
    }
    CHECK(refused > 250);
  }
}

}  // namespace
}  // namespace lethe::models
