// SPDX-License-Identifier: Apache-2.0
// Weights in memory that processes share: the same bits, read once, the same errors. Two
// SharedBlobs stand for two processes.
#include <map>

#include "harness/base/error.h"
#include "harness/base/shared_memory.h"
#include "models/checkpoint/checkpoint.h"
#include "models/engine/evaluate.h"
#include "tests/support/catch.h"
#include "tests/support/fixtures.h"

namespace lethe::test {
namespace {

using models::DType;

constexpr std::int64_t kTable = 64 << 10;

/// A checkpoint that counts what is read, and fails at a tensor on demand.
class Watched final : public models::Checkpoint {
 public:
  explicit Watched(const std::string& name) : file_(models::open_checkpoint(golden(name))) {}

  const models::ModelConfig& config() const override { return file_->config(); }
  const std::vector<models::TensorInfo>& tensors() const override { return file_->tensors(); }
  void read(std::string_view name, std::span<float> out) const override {
    ++reads;
    if (name == bad) throw Error(ErrorKind::kModel, "tensor " + bad + " is not finite");
    file_->read(name, out);
  }
  std::vector<std::filesystem::path> files() const override { return file_->files(); }
  std::string label() const override { return file_->label(); }

  mutable int reads = 0;
  std::string bad;

 private:
  std::unique_ptr<models::Checkpoint> file_;
};

models::EvaluateResult evaluate(const models::Model& model) {
  std::vector<std::int64_t> ids;
  for (std::int64_t i = 0; i < 48; ++i) ids.push_back((7 * i * i + 3) % model.config().vocab_size);
  models::EvaluateOptions options;
  options.budget = 16;
  options.logit_rows = {0, 20, 47};
  return model.evaluate(ids, policies::known_policies().resolve("tova"), options);
}

TEST_CASE("shared weights give the bits of private ones, and are read once") {
  const std::string name = GENERATE("tiny/llama_mha", "tiny/llama_gqa_tied",
                                    "tiny/llama_bias_headdim", "gguf/tiny_llama_mixed.gguf");
  const DType dtype = GENERATE(DType::kFloat32, DType::kBFloat16, DType::kFloat64);
  CAPTURE(name, models::to_string(dtype));
  const auto memory = SharedMemory::create();
  REQUIRE(memory);
  const Watched checkpoint(name);
  const auto expected = evaluate(*models::load_model(checkpoint, dtype));
  const int reads = std::exchange(checkpoint.reads, 0);

  auto one = std::make_unique<SharedBlobs>(memory->fd());
  SharedBlobs two(memory->fd());
  auto first = models::load_model(checkpoint, dtype, {one.get(), "hash"});
  one.reset();
  CHECK(checkpoint.reads == reads);
  const auto held = memory->held_bytes();
  CHECK(held > kTable);
  auto second = models::load_model(checkpoint, dtype, {&two, "hash"});
  CHECK(checkpoint.reads == reads);
  CHECK(memory->held_bytes() == held);
  for (const auto* model : {first.get(), second.get()}) {
    const auto found = evaluate(*model);
    CHECK(found.nll == expected.nll);
    CHECK(found.logits == expected.logits);
  }
  first.reset();
  CHECK(evaluate(*second).nll == expected.nll);
  second.reset();
  CHECK(memory->held_bytes() == kTable);
}

TEST_CASE("another precision or another checkpoint is not taken for what is shared") {
  const auto memory = SharedMemory::create();
  REQUIRE(memory);
  SharedBlobs blobs(memory->fd());
  const Watched checkpoint("tiny/llama_mha");
  const auto model = models::load_model(checkpoint, DType::kFloat32, {&blobs, "a"});
  const int reads = std::exchange(checkpoint.reads, 0);
  const auto other = models::load_model(checkpoint, DType::kFloat32, {&blobs, "b"});
  CHECK(std::exchange(checkpoint.reads, 0) == reads);
  const auto wide = models::load_model(checkpoint, DType::kFloat64, {&blobs, "a"});
  CHECK(std::exchange(checkpoint.reads, 0) == reads);
  CHECK(evaluate(*model).nll == evaluate(*other).nll);
}

TEST_CASE("weights that cannot be read fail the same way, shared or not, and leave nothing") {
  const auto memory = SharedMemory::create();
  REQUIRE(memory);
  SharedBlobs one(memory->fd()), two(memory->fd());
  Watched checkpoint("tiny/llama_mha");
  const std::string good = checkpoint.bad;
  checkpoint.bad = "model.layers.1.mlp.up_proj.weight";
  const std::string message = "tensor " + checkpoint.bad + " is not finite";
  for (auto* blobs : {static_cast<SharedBlobs*>(nullptr), &one, &two}) {
    CHECK_THROWS_WITH(models::load_model(checkpoint, DType::kFloat32, {blobs, "hash"}), message);
  }
  CHECK(memory->held_bytes() == kTable);
  checkpoint.bad = good;
  const auto model = models::load_model(checkpoint, DType::kFloat32, {&two, "hash"});
  CHECK(evaluate(*model).nll == evaluate(*models::load_model(checkpoint, DType::kFloat32)).nll);
}

TEST_CASE("where no place is left to share, a model loads its own weights") {
  const auto memory = SharedMemory::create();
  REQUIRE(memory);
  SharedBlobs blobs(memory->fd());
  std::vector<std::shared_ptr<const std::byte>> full;
  while (auto blob = blobs.get(std::to_string(full.size()), 1, [](auto) {})) full.push_back(blob);
  const auto held = memory->held_bytes();
  const Watched checkpoint("tiny/llama_mha");
  const auto model = models::load_model(checkpoint, DType::kFloat32, {&blobs, "hash"});
  CHECK(memory->held_bytes() == held);
  CHECK(evaluate(*model).nll == evaluate(*models::load_model(checkpoint, DType::kFloat32)).nll);
}

}  // namespace
}  // namespace lethe::test
