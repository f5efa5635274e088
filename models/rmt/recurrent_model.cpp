// SPDX-License-Identifier: Apache-2.0
#include "models/rmt/recurrent_model.h"

#include <algorithm>
#include <utility>

#include <ATen/ATen.h>
#include <c10/core/InferenceMode.h>

#include "harness/base/error.h"
#include "models/rmt/recurrent_encoder.h"

namespace lethe::models {
namespace {

RecurrentConfig required_config(const std::filesystem::path& folder) {
  if (auto config = read_recurrent_config(folder)) return *config;
  throw Error(ErrorKind::kModel,
              folder.string() +
                  ": expected a checkpoint with recurrent memory (config.json with the member "
                  "lethe_rmt, as `lethe train rmt` writes it), found a model without");
}

std::vector<double> doubles_of(const at::Tensor& tensor) {
  const at::Tensor host = tensor.to(at::kCPU, at::kDouble).contiguous();
  const double* data = host.const_data_ptr<double>();
  return {data, data + host.numel()};
}

class EncoderModel final : public RecurrentModel {
 public:
  EncoderModel(const Checkpoint& checkpoint, RecurrentConfig recurrent, DType dtype,
               at::Device device)
      : layout_(checkpoint.config(), std::move(recurrent)),
        precision_(precision_of(dtype)),
        options_(at::TensorOptions(precision_.compute).device(device)),
        encoder_(layout_, loaded(checkpoint), precision_) {}

  const ModelConfig& config() const override { return layout_.config(); }
  const RecurrentConfig& recurrent() const override { return layout_.recurrent(); }
  std::int64_t memory_bytes() const override {
    return recurrent().memory_tokens * config().hidden_size *
           static_cast<std::int64_t>(c10::elementSize(precision_.compute));
  }

  RecurrentMemory initial(std::int64_t batch) const override {
    const c10::InferenceMode no_gradients;
    return {batch, recurrent().memory_tokens, doubles_of(encoder_.initial(batch))};
  }

  void read(std::span<const std::int64_t> ids, RecurrentMemory& memory) const override {
    const c10::InferenceMode no_gradients;
    advance(ids, memory, nullptr);
  }

  std::vector<double> classify(std::span<const std::int64_t> ids,
                               RecurrentMemory& memory) const override {
    const c10::InferenceMode no_gradients;
    return doubles_of(encoder_.logits(advance(ids, memory, nullptr)));
  }

  std::vector<AttentionMap> attention(std::span<const std::int64_t> ids,
                                      RecurrentMemory& memory) const override {
    const c10::InferenceMode no_gradients;
    std::vector<at::Tensor> softmax;
    advance(ids, memory, &softmax);
    std::vector<AttentionMap> maps;
    for (const at::Tensor& layer : softmax) {
      const at::Tensor host = layer.select(0, 0).to(at::kCPU, at::kFloat).contiguous();
      const float* data = host.const_data_ptr<float>();
      maps.push_back({host.size(0), host.size(1), host.size(2), {data, data + host.numel()}});
    }
    return maps;
  }

 private:
  RecurrentWeights loaded(const Checkpoint& checkpoint) const {
    const c10::InferenceMode no_gradients;
    const at::Tensor flat = at::empty({layout_.size()}, at::kFloat);
    layout_.read(checkpoint, flat, /*backbone=*/false);
    return layout_.bind(flat.to(options_.device(), precision_.product));
  }

  // Hidden states of [CLS]; memory becomes the next one.
  at::Tensor advance(std::span<const std::int64_t> ids, RecurrentMemory& memory,
                     std::vector<at::Tensor>* attention) const {
    const auto count = static_cast<std::int64_t>(ids.size());
    LETHE_ASSERT(memory.batch > 0 && count % memory.batch == 0, "samples have equal segments");
    const std::int64_t text = count / memory.batch, most = config().trained_length;
    if (text + memory.rows + 3 > most) {
      throw Error(ErrorKind::kData,
                  "expected a segment of at most " + std::to_string(most - memory.rows - 3) +
                      " text tokens (the positions of the encoder), found " + std::to_string(text));
    }
    const auto foreign = std::ranges::find_if(
        ids, [&](std::int64_t id) { return id < 0 || id >= config().vocab_size; });
    if (foreign != ids.end()) {
      throw Error(ErrorKind::kData, "expected token ids from 0 to " +
                                        std::to_string(config().vocab_size - 1) + ", found " +
                                        std::to_string(*foreign));
    }
    const at::Tensor tokens =
        at::from_blob(const_cast<std::int64_t*>(ids.data()), {memory.batch, text}, at::kLong)
            .to(options_.device());
    const at::Tensor before =
        at::from_blob(memory.values.data(), {memory.batch, memory.rows, config().hidden_size},
                      at::kDouble)
            .to(options_);
    const auto segment = encoder_.segment(tokens, before, attention);
    memory.values = doubles_of(segment.memory);
    return segment.cls;
  }

  RecurrentLayout layout_;
  Precision precision_;
  at::TensorOptions options_;
  RecurrentEncoder encoder_;
};

}  // namespace

std::unique_ptr<RecurrentModel> load_recurrent_model(const std::filesystem::path& folder,
                                                     DType dtype, const std::string& device) {
  require_device(device);
  auto recurrent = required_config(folder);
  const auto checkpoint = open_checkpoint(folder);
  try {
    require_fitting(checkpoint->config(), recurrent, ErrorKind::kModel);
  } catch (Error& error) {
    error.add_context((folder / "config.json").string());
    throw;
  }
  return std::make_unique<EncoderModel>(*checkpoint, std::move(recurrent), dtype,
                                        at::Device(device));
}

}  // namespace lethe::models
