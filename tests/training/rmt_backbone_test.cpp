// SPDX-License-Identifier: Apache-2.0
// Training on: a pretrained encoder is what the first step starts from, under either of its names.
#include <filesystem>

#include <ATen/ATen.h>

#include "models/rmt/recurrent_model.h"
#include "tests/models/file_support.h"
#include "tests/models/rmt_support.h"
#include "tests/support/catch.h"
#include "tests/support/fixtures.h"
#include "tests/training/training_support.h"
#include "training/rmt_checkpoint.h"

namespace lethe::test {
namespace {

namespace fs = std::filesystem;
using Catch::Matchers::Contains;
using Tensors = std::map<std::string, RandomTensor>;

// A BERT of the shipped vocabulary, which knows nothing of memory.
RmtShape backbone_shape() {
  RmtShape shape;
  shape.vocabulary = models::open_tokenizer(source_dir() / "data/rmt")->vocab_size();
  shape.recurrent = false;
  return shape;
}

void write_backbone(const fs::path& folder, const RmtShape& shape,
                    const std::function<void(Tensors&)>& change = nullptr) {
  write_rmt_folder(folder, shape, 3, change);
  write_bytes(folder / "tokenizer.json", bytes_of(source_dir() / "data/rmt/tokenizer.json"));
}

training::RmtRecipe recipe_on(const fs::path& backbone) {
  auto text = small_recipe_json();
  text["model"] = {{"backbone", backbone.string()}, {"memory", 2}, {"segment", 16}};
  return parsed_recipe(text);
}

at::Tensor weights_from(const fs::path& backbone) {
  const auto start = training::rmt_start(recipe_on(backbone), options_for(""));
  at::Tensor flat = start.layout->initial(1);
  start.layout->read(*start.backbone, flat, /*backbone=*/true);
  return start.layout->bind(flat).encoder.layers[1].qkv;
}

TEST_CASE("a backbone's weights are taken, whatever stands before their names", "[rmt]") {
  const TempDir folder;
  RmtShape shape = backbone_shape();
  write_backbone(folder / "with", shape);
  shape.prefix = "";
  write_backbone(folder / "without", shape, [&](Tensors& tensors) {
    tensors = {};
    for (auto& [name, tensor] : random_tensors(backbone_shape(), 3)) {
      tensors[name.substr(std::string("bert.").size())] = tensor;
    }
  });
  const auto expected =
      random_tensors(backbone_shape(), 3).at("bert.encoder.layer.1.attention.self.key.weight");
  for (const char* name : {"with", "without"}) {
    CAPTURE(name);
    const at::Tensor keys = weights_from(folder / name).narrow(0, 24, 24).contiguous();
    const float* values = keys.const_data_ptr<float>();
    CHECK(std::vector<float>(values, values + keys.numel()) == expected.values);
  }
  // What is trained from either is the same, and can be loaded.
  std::vector<std::string> models;
  for (const char* name : {"with", "without"}) {
    const fs::path out = folder / (std::string(name) + "-trained");
    Sink sink;
    REQUIRE(training::train_rmt(recipe_on(folder / name), options_for(out), sink).finished);
    models.push_back(bytes_of(out / "model.safetensors"));
    const auto model = models::load_recurrent_model(out, models::DType::kFloat32);
    CHECK(model->recurrent().memory_tokens == 2);
    CHECK(model->config().relative_clip == 0);
    CHECK(model->config().token_types == 2);
  }
  CHECK(models[0] == models[1]);
}

TEST_CASE("memory begins as wide as the word embeddings of its backbone", "[rmt]") {
  const TempDir folder;
  write_backbone(folder / "backbone", backbone_shape(), [](Tensors& tensors) {
    for (float& value : tensors.at("bert.embeddings.word_embeddings.weight").values) value *= 0.1F;
  });
  const auto memory_from = [&](const fs::path& backbone) {
    const auto start = training::rmt_start(recipe_on(backbone), options_for(""));
    const at::Tensor first = start.layout->initial(1), read = first.clone();
    start.layout->read(*start.backbone, read, /*backbone=*/true);
    const auto from_nothing = start.layout->bind(first), bound = start.layout->bind(read);
    return std::pair(from_nothing.memory * bound.encoder.embedding.std(), bound.memory);
  };
  const auto [scaled, memory] = memory_from(folder / "backbone");
  CHECK(at::equal(scaled, memory));
  CHECK(memory.abs().max().item<float>() < 0.5);  // it would be 1.7 at unit variance
  CHECK(memory.abs().max().item<float>() > 0);

  // A model that was trained with memory brings its own.
  RmtShape trained = backbone_shape();
  trained.recurrent = true;
  trained.memory = 2;
  write_backbone(folder / "trained", trained);
  const auto expected = random_tensors(trained, 3).at("rmt.memory.weight").values;
  const at::Tensor own = memory_from(folder / "trained").second.contiguous();
  const float* values = own.const_data_ptr<float>();
  CHECK(std::vector<float>(values, values + own.numel()) == expected);
}

TEST_CASE("a backbone that cannot be trained on is refused before the first step", "[rmt][fault]") {
  const TempDir folder;
  const auto error = [&](ErrorKind kind) {
    Sink sink;
    const std::string text = error_of(kind, [&] {
      training::train_rmt(recipe_on(folder / "backbone"), options_for(folder / "out"), sink);
    });
    CHECK_FALSE(fs::exists(folder / "out"));
    return text;
  };
  CHECK_THAT(error(ErrorKind::kModel), Contains("backbone"));
  // A tensor of the encoder is missing: nothing is made up for it.
  write_backbone(folder / "backbone", backbone_shape(), [](Tensors& tensors) {
    tensors.erase("bert.encoder.layer.0.output.dense.weight");
  });
  CHECK_THAT(error(ErrorKind::kModel), Contains("bert.encoder.layer.0.output.dense.weight"));
  write_backbone(folder / "backbone", backbone_shape(), [](Tensors& tensors) {
    tensors["bert.embeddings.LayerNorm.bias"].values[0] = std::numeric_limits<float>::quiet_NaN();
  });
  CHECK_THAT(error(ErrorKind::kModel), Contains("LayerNorm.bias") && Contains("finite"));
  // More words than embeddings.
  RmtShape small = backbone_shape();
  small.vocabulary = 40;
  write_backbone(folder / "backbone", small);
  CHECK_THAT(error(ErrorKind::kModel), Contains("vocabulary mismatch") && Contains("40"));
  RmtShape narrow = backbone_shape();
  narrow.positions = 18;
  write_backbone(folder / "backbone", narrow);
  CHECK_THAT(error(ErrorKind::kConfig), Contains("need 21 positions") && Contains("has 18"));
  // A tokenizer without the words, and a decoder.
  write_backbone(folder / "backbone", backbone_shape());
  std::string vocabulary = bytes_of(folder / "backbone/tokenizer.json");
  replace_once(vocabulary, "\"kitchen\"", "\"kitchan\"");
  write_bytes(folder / "backbone/tokenizer.json", vocabulary);
  CHECK_THAT(error(ErrorKind::kModel), Contains("vocabulary mismatch") && Contains("'kitchen'"));
  for (const char* name : {"config.json", "model.safetensors"}) {
    write_bytes(folder / "backbone" / name, bytes_of(golden("tiny/gpt2") / name));
  }
  CHECK_THAT(error(ErrorKind::kModel), Contains("expected an encoder (bert), found a decoder"));
}

}  // namespace
}  // namespace lethe::test
