// SPDX-License-Identifier: Apache-2.0
#include "models/rmt/recurrent_decoder_model.h"

#include <utility>

#include <ATen/ATen.h>
#include <c10/core/InferenceMode.h>

#include "models/rmt/recurrent_decoder.h"
#include "models/rmt/recurrent_host.h"

namespace lethe::models {
namespace {

class DecoderModel final : public RecurrentDecoderModel {
 public:
  DecoderModel(const Checkpoint& checkpoint, RecurrentConfig recurrent, DType dtype,
               at::Device device)
      : layout_(checkpoint.config(), std::move(recurrent)),
        precision_(precision_of(dtype)),
        options_(at::TensorOptions(precision_.compute).device(device)),
        decoder_(layout_, loaded(checkpoint), precision_) {}

  const ModelConfig& config() const override { return layout_.config(); }
  const RecurrentConfig& recurrent() const override { return layout_.recurrent(); }
  std::int64_t memory_bytes() const override {
    return recurrent().memory_tokens * config().hidden_size *
           static_cast<std::int64_t>(c10::elementSize(precision_.compute));
  }

  RecurrentMemory initial(std::int64_t batch) const override {
    const c10::InferenceMode no_gradients;
    return {batch, recurrent().memory_tokens, host::doubles_of(decoder_.initial(batch))};
  }

  void read(std::span<const std::int64_t> ids, RecurrentMemory& memory) const override {
    const c10::InferenceMode no_gradients;
    advance(ids, memory);
  }

  std::vector<double> scores(std::span<const std::int64_t> ids,
                             RecurrentMemory& memory) const override {
    const c10::InferenceMode no_gradients;
    return host::doubles_of(decoder_.logits(advance(ids, memory)));
  }

 private:
  RecurrentDecoderWeights loaded(const Checkpoint& checkpoint) const {
    const c10::InferenceMode no_gradients;
    const at::Tensor flat = at::empty({layout_.size()}, at::kFloat);
    layout_.read(checkpoint, flat, /*backbone=*/false);
    return layout_.bind(flat.to(options_.device()), precision_);
  }

  // Hidden states of the text; memory becomes the next one.
  at::Tensor advance(std::span<const std::int64_t> ids, RecurrentMemory& memory) const {
    const at::Tensor tokens =
        host::tokens(ids, memory, config(), recurrent().segment_tokens).to(options_.device());
    const auto segment =
        decoder_.segment(tokens, host::tensor_of(memory, config().hidden_size, options_));
    memory.values = host::doubles_of(segment.memory);
    return segment.text;
  }

  RecurrentDecoderLayout layout_;
  Precision precision_;
  at::TensorOptions options_;
  RecurrentDecoder decoder_;
};

}  // namespace

std::unique_ptr<RecurrentDecoderModel> load_recurrent_decoder(const std::filesystem::path& folder,
                                                              DType dtype,
                                                              const std::string& device) {
  require_device(device);
  auto recurrent = host::required_config(folder, RecurrentForm::kDecoder);
  const auto checkpoint = open_checkpoint(folder);
  return std::make_unique<DecoderModel>(*checkpoint, std::move(recurrent), dtype,
                                        at::Device(device));
}

}  // namespace lethe::models
