// SPDX-License-Identifier: Apache-2.0
#include "models/rmt/recurrent_decoder.h"

#include <string>
#include <utility>
#include <vector>

#include <ATen/ATen.h>

#include "harness/base/error.h"
#include "models/transformer/decoder_layers.h"
#include "models/transformer/families/families.h"

namespace lethe::models {
namespace {

// What a family's map is asked about where there is no file yet: then it gives the names that
// published checkpoints with a head have.
class NoFile final : public Checkpoint {
 public:
  explicit NoFile(const ModelConfig& config) : config_(config) {}
  const ModelConfig& config() const override { return config_; }
  const std::vector<TensorInfo>& tensors() const override { return none_; }
  void read(std::string_view name, std::span<float>) const override {
    throw Error(ErrorKind::kInternal, "a checkpoint without a file has no " + std::string(name));
  }
  std::vector<std::filesystem::path> files() const override { return {}; }
  std::string label() const override { return "recurrent memory"; }

 private:
  const ModelConfig& config_;
  std::vector<TensorInfo> none_;
};

}  // namespace

RecurrentDecoderLayout::RecurrentDecoderLayout(ModelConfig config, RecurrentConfig recurrent)
    : FlatLayout(std::move(config), std::move(recurrent)) {
  const ModelConfig& model = this->config();
  const RecurrentConfig& rmt = this->recurrent();
  require_supported(model, "recurrent memory");
  const std::int64_t tokens = rmt.segment_tokens + 2 * rmt.memory_tokens;
  const std::string what = "a segment of " + std::to_string(rmt.segment_tokens) +
                           " text tokens with twice " + std::to_string(rmt.memory_tokens) +
                           " memory tokens, " + std::to_string(tokens) + " in all";
  check_learned_positions(model, tokens, what);
  if (model.sliding_window && *model.sliding_window < tokens) {
    throw Error(ErrorKind::kConfig,
                "recurrent memory: " + what + ": the model's window of " +
                    std::to_string(*model.sliding_window) +
                    " would hide the memory from the text; take shorter segments");
  }
  RecurrentDecoderWeights weights;
  Places places(kFloat);
  map(NoFile(model), weights, places);
  lay_out(places);
}

void RecurrentDecoderLayout::map(const Checkpoint& names, RecurrentDecoderWeights& weights,
                                 Places& places) const {
  families::map_of(config().architecture)(names, weights.decoder, places);
  add_memory(weights.memory, places);
}

RecurrentDecoderWeights RecurrentDecoderLayout::bind(const at::Tensor& flat,
                                                     const Precision& precision) const {
  RecurrentDecoderWeights bound;
  Places places(precision);
  map(NoFile(config()), bound, places);
  bind_views(flat, places);
  if (config().tied_embeddings) bound.decoder.lm_head = bound.decoder.embedding;
  return bound;
}

void RecurrentDecoderLayout::read(const Checkpoint& checkpoint, const at::Tensor& flat,
                                  bool backbone) const {
  LETHE_ASSERT(checkpoint.config() == config(), "a layout is for one model");
  RecurrentDecoderWeights unused;
  Places stored(kFloat);
  map(checkpoint, unused, stored);
  const std::size_t memories = recurrent().memory_tokens > 0 ? 1 : 0;  // they come last
  read_places(checkpoint, stored, flat, stored.all().size() - (backbone ? memories : 0));
  if (!backbone || memories == 0) return;
  const RecurrentDecoderWeights bound = bind(flat, kFloat);
  bound.memory.mul_(bound.decoder.embedding.std());
}

at::Tensor recurrent_mask(RecurrentMask mask, std::int64_t read, std::int64_t text,
                          std::int64_t write) {
  const std::int64_t tokens = read + text + write;
  const at::Tensor sees = at::ones({tokens, tokens}, at::kBool).tril();
  if (mask == RecurrentMask::kPaper) {
    sees.narrow(0, 0, read).narrow(1, 0, read).fill_(true);
    sees.narrow(0, read + text, write).narrow(1, read + text, write).fill_(true);
  }
  return sees;
}

RecurrentDecoder::RecurrentDecoder(const RecurrentDecoderLayout& layout,
                                   RecurrentDecoderWeights weights, const Precision& precision)
    : layout_(layout), weights_(std::move(weights)), precision_(precision) {}

at::Tensor RecurrentDecoder::initial(std::int64_t batch) const {
  const std::int64_t hidden = layout_.config().hidden_size;
  if (!weights_.memory.defined()) {
    return at::zeros({batch, 0, hidden}, weights_.decoder.embedding.options())
        .to(precision_.compute);
  }
  return weights_.memory.to(precision_.compute).unsqueeze(0).expand({batch, -1, hidden});
}

RecurrentDecoder::Segment RecurrentDecoder::segment(const at::Tensor& ids, const at::Tensor& memory,
                                                    bool write) const {
  const std::int64_t text = ids.size(1), read = memory.size(1), written = write ? read : 0;
  std::vector<at::Tensor> parts{
      memory, at::embedding(weights_.decoder.embedding, ids).to(precision_.compute)};
  if (write) parts.push_back(memory);
  const at::Tensor mask =
      recurrent_mask(layout_.recurrent().mask, read, text, written).to(ids.device());
  const at::Tensor out =
      decoder_layers(layout_.config(), precision_, weights_.decoder, at::cat(parts, 1), mask);
  return {out.narrow(1, read, text), out.narrow(1, read + text, written)};
}

at::Tensor RecurrentDecoder::logits(const at::Tensor& text) const {
  return decoder_logits(layout_.config(), precision_, weights_.decoder, text);
}

}  // namespace lethe::models
