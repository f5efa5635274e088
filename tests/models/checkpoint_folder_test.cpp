// SPDX-License-Identifier: Apache-2.0
// Sharded Hugging Face folders, and how a checkpoint wants to be generated with.
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "models/checkpoint/checkpoint.h"
#include "models/checkpoint/gguf.h"
#include "models/checkpoint/shard_index.h"
#include "tests/models/file_support.h"
#include "tests/models/gguf_writer.h"
#include "tests/support/catch.h"
#include "tests/support/fixtures.h"

namespace lethe::models {
namespace {

namespace fs = std::filesystem;

constexpr const char* kIndex = "model.safetensors.index.json";

std::vector<float> values_of(const Checkpoint& checkpoint, std::string_view name) {
  std::vector<float> values(static_cast<std::size_t>(checkpoint.info(name).elements()));
  checkpoint.read(name, values);
  return values;
}

/// The error of opening the sharded golden after a change to a copy of it.
std::string error_after(const std::function<void(const fs::path&)>& change) {
  const test::TempDir dir;
  fs::copy(test::golden("tiny/llama_mha_sharded"), dir / "model");
  change(dir / "model");
  const auto message = test::error_of(ErrorKind::kModel, [&] { open_checkpoint(dir / "model"); });
  UNSCOPED_INFO(message);
  return message;
}

void edit_index(const fs::path& folder, std::string_view from, std::string_view to) {
  std::string text = test::bytes_of(folder / kIndex);
  const std::size_t at = text.find(from);
  REQUIRE(at != std::string::npos);
  test::write_bytes(folder / kIndex, text.replace(at, from.size(), to));
}

bool says(const std::string& message, const std::string& expected) {
  return message.find(expected) != std::string::npos;
}

TEST_CASE("a sharded checkpoint equals the one in a single file") {
  const fs::path folder = test::golden("tiny/llama_mha_sharded");
  const auto sharded = open_checkpoint(folder);
  const auto single = open_checkpoint(test::golden("tiny/llama_mha"));
  CHECK(sharded->config() == single->config());
  REQUIRE(sharded->tensors().size() == single->tensors().size());
  for (const TensorInfo& tensor : single->tensors()) {
    INFO(tensor.name);
    CHECK_NOTHROW(sharded->expect_shape(tensor.name, tensor.shape));
    CHECK(values_of(*sharded, tensor.name) == values_of(*single, tensor.name));
  }
  const std::vector<fs::path> files = {
      folder / "config.json", folder / kIndex, folder / "model-00001-of-00003.safetensors",
      folder / "model-00002-of-00003.safetensors", folder / "model-00003-of-00003.safetensors"};
  CHECK(sharded->files() == files);
  CHECK(checkpoint_files(folder) == files);
}

TEST_CASE("the files of damaged checkpoints can be listed, for hashing") {
  const test::TempDir dir;
  fs::copy(test::golden("tiny/llama_mha_sharded"), dir / "model");
  fs::resize_file(dir / "model/model-00002-of-00003.safetensors", 10);
  CHECK_THROWS_AS(open_checkpoint(dir / "model"), Error);
  CHECK(checkpoint_files(dir / "model").size() == 5);
  CHECK(checkpoint_files(dir / "x.gguf") == std::vector<fs::path>{dir / "x.gguf"});
  fs::remove(dir / "model/model-00003-of-00003.safetensors");
  CHECK_THROWS_AS(checkpoint_files(dir / "model"), Error);
}

TEST_CASE("index and shards must agree both ways") {
  CHECK(says(
      error_after([](const fs::path& f) { fs::remove(f / "model-00002-of-00003.safetensors"); }),
      "expected the file model-00002-of-00003.safetensors that it names, found none"));
  CHECK(says(error_after([](const fs::path& f) {
               edit_index(f, "\"lm_head.weight\":", "\"lm_hood.weight\":");
             }),
             "'lm_head.weight'"));
  CHECK(says(error_after([](const fs::path& f) {
               edit_index(f, "\"weight_map\": {",
                          "\"weight_map\": {\"extra.weight\": "
                          "\"model-00001-of-00003.safetensors\",");
             }),
             "model-00001-of-00003.safetensors: expected tensor 'extra.weight'"));
  // A tensor that another shard holds, too.
  const std::string twice = error_after([](const fs::path& f) {
    fs::copy_file(f / "model-00001-of-00003.safetensors", f / "other.safetensors");
    edit_index(f, "\"weight_map\": {",
               "\"weight_map\": {\"extra.weight\": "
               "\"other.safetensors\",");
  });
  CHECK(says(twice, "of other.safetensors to be listed there, found it under model-00001"));
  const std::string cut = error_after([](const fs::path& f) {
    const fs::path shard = f / "model-00003-of-00003.safetensors";
    fs::resize_file(shard, fs::file_size(shard) - 100);
  });
  CHECK(says(cut, "model-00003-of-00003.safetensors"));
  CHECK(says(cut, "truncated"));
}

TEST_CASE("an index names files beside it and nothing else") {
  for (const char* name :
       {"../model.safetensors", "/etc/passwd", "a/b.safetensors", "..", ".safetensors",
        "weights.bin", "a\\\\b.safetensors", "", "a\\u0000.safetensors"}) {
    INFO(name);
    const std::string text = R"({"weight_map": {"a.weight": ")" + std::string(name) + R"("}})";
    const auto message =
        test::error_of(ErrorKind::kModel, [&] { parse_shard_index(text, "index"); });
    CHECK(says(message, "tensor 'a.weight': expected the name of a .safetensors file"));
  }
  const auto refused = [](std::string_view text) {
    return test::error_of(ErrorKind::kModel, [&] { parse_shard_index(text, "index"); });
  };
  CHECK(says(refused("{}"), "'weight_map' is missing"));
  CHECK(says(refused(R"({"weight_map": []})"), "expected an object"));
  CHECK(says(refused(R"({"weight_map": {}})"), "found an empty object"));
  CHECK(says(refused(R"({"weight_map": {"a": 3}})"), "tensor 'a'"));
  CHECK(says(refused("["), "not valid JSON"));
}

TEST_CASE("vocabulary and embedding of different size are found when a folder is opened") {
  const std::string message = error_after([](const fs::path& folder) {
    std::string text = test::bytes_of(folder / "config.json");
    test::replace_once(text, "\"vocab_size\": 200", "\"vocab_size\": 201");
    test::write_bytes(folder / "config.json", text);
  });
  CHECK(says(message, "'model.embed_tokens.weight': expected 201 rows"));
  CHECK(says(message, "found 200"));
}

TEST_CASE("generation defaults come from generation_config.json, ids also from config.json") {
  const fs::path golden = test::golden("tiny/llama_mha");
  GenerationDefaults expected;
  expected.bos_token_id = 1;
  expected.eos_token_ids = {2};
  CHECK(open_checkpoint(golden)->generation_defaults() == expected);

  const test::TempDir dir;
  fs::copy(golden, dir / "model");
  test::write_bytes(dir / "model/generation_config.json", R"({"eos_token_id": [128009, 7, 7, -1],
      "pad_token_id": 0, "bos_token_id": null, "do_sample": true, "temperature": 0.6,
      "top_k": -1, "top_p": 0.9, "max_new_tokens": 32, "transformers_version": "4.40.0"})");
  expected.eos_token_ids = {7, 128009};
  expected.pad_token_id = 0;
  expected.do_sample = true;
  expected.temperature = 0.6;
  expected.top_k = 0;
  expected.top_p = 0.9;
  expected.max_new_tokens = 32;
  CHECK(open_checkpoint(dir / "model")->generation_defaults() == expected);

  const auto refused = [&](std::string_view text, const std::string& expected_words) {
    test::write_bytes(dir / "model/generation_config.json", text);
    const auto message = test::error_of(ErrorKind::kModel, [&] { open_checkpoint(dir / "model"); });
    INFO(message);
    CHECK(says(message, "generation_config.json"));
    CHECK(says(message, expected_words));
  };
  refused(R"({"eos_token_id": "</s>"})", "eos_token_id: expected an integer");
  refused(R"({"eos_token_id": [1, 2.5]})", "eos_token_id: expected integers, found a number");
  refused(R"({"temperature": -1})", "temperature: expected a number from 0 on");
  refused(R"({"top_p": 1.5})", "top_p: expected a number from 0 to 1");
  refused(R"({"repetition_penalty": 0})", "repetition_penalty: expected a positive number");
  refused(R"({"max_new_tokens": 0})", "max_new_tokens: expected a positive integer");
  refused("{", "not valid JSON");
}

TEST_CASE("generation defaults of a GGUF file are its special tokens") {
  const auto defaults = open_checkpoint(test::default_model())->generation_defaults();
  CHECK(defaults.eos_token_ids == std::vector<std::int64_t>{2});
  CHECK(defaults.bos_token_id == 1);
  CHECK_FALSE(defaults.do_sample);

  const test::TempDir dir;
  const std::string bytes = test::GgufWriter()
                                .uint32("tokenizer.ggml.eos_token_id", 9)
                                .uint32("tokenizer.ggml.eot_token_id", 4)
                                .uint32("tokenizer.ggml.eom_token_id", 9)
                                .uint32("tokenizer.ggml.bos_token_id", 0xffffffffU)
                                .bytes();
  test::write_bytes(dir / "ids.gguf", bytes);
  GenerationDefaults expected;
  expected.eos_token_ids = {4, 9};
  CHECK(generation_defaults_of(GgufFile(dir / "ids.gguf")) == expected);
}

}  // namespace
}  // namespace lethe::models
