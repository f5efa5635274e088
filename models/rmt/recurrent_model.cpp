// SPDX-License-Identifier: Apache-2.0
#include "models/rmt/recurrent_model.h"

#include <utility>

#include <ATen/ATen.h>
#include <c10/core/InferenceMode.h>

#include "harness/base/error.h"
#include "models/rmt/recurrent_encoder.h"
#include "models/rmt/recurrent_host.h"

namespace lethe::models {
namespace {

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
    return {batch, recurrent().memory_tokens, host::doubles_of(encoder_.initial(batch))};
  }

  void read(std::span<const std::int64_t> ids, RecurrentMemory& memory) const override {
    const c10::InferenceMode no_gradients;
    advance(ids, memory, nullptr);
  }

  std::vector<double> classify(std::span<const std::int64_t> ids,
                               RecurrentMemory& memory) const override {
    const c10::InferenceMode no_gradients;
    return host::doubles_of(encoder_.logits(advance(ids, memory, nullptr)));
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
    const at::Tensor tokens =
        host::tokens(ids, memory, config(), config().trained_length - memory.rows - 3)
            .to(options_.device());
    const at::Tensor before = host::tensor_of(memory, config().hidden_size, options_);
    const auto segment = encoder_.segment(tokens, before, attention);
    memory.values = host::doubles_of(segment.memory);
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
  auto recurrent = host::required_config(folder, RecurrentForm::kEncoder);
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
