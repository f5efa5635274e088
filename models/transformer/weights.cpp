// SPDX-License-Identifier: Apache-2.0
#include "models/transformer/weights.h"

#include <span>
#include <string>

#include <ATen/ATen.h>

#include "harness/base/error.h"
#include "harness/base/shared_memory.h"
#include "models/transformer/families/families.h"

namespace lethe::models {
namespace {

// Another order, or other parts: another number, so that no process takes the one for the other.
constexpr int kLayoutVersion = 2;

// Whether the tensors stand in memory that is shared.
bool share(const Checkpoint& checkpoint, const std::string& name, SharedBlobs& blobs,
           const std::vector<Place>& all) {
  constexpr std::size_t kAlignment = 64;  // LibTorch's own
  std::vector<std::size_t> offsets;
  std::size_t size = 0;
  for (const Place& place : all) {
    offsets.push_back(size);
    size += (place.bytes() + kAlignment - 1) / kAlignment * kAlignment;
  }
  const auto blob = blobs.get(name, size, [&](std::span<std::byte> bytes) {
    for (std::size_t i = 0; i < all.size(); ++i) {
      Places::fill(checkpoint, all[i],
                   at::from_blob(bytes.data() + offsets[i], all[i].shape(), all[i].type));
    }
  });
  if (!blob) return false;
  for (std::size_t i = 0; i < all.size(); ++i) {
    *all[i].tensor = at::from_blob(
        const_cast<std::byte*>(blob.get()) + offsets[i], all[i].shape(), [blob](void*) {},
        all[i].type);
  }
  return true;
}

void load(const Checkpoint& checkpoint, const std::vector<Place>& all, at::Device device) {
  for (const Place& place : all) {
    const at::Tensor read = at::empty(place.shape(), place.type);
    Places::fill(checkpoint, place, read);
    *place.tensor = read.to(device);
  }
}

}  // namespace

Precision precision_of(DType dtype) {
  switch (dtype) {
    case DType::kFloat32:
      return {at::kFloat, at::kFloat};
    case DType::kBFloat16:
      return {at::kBFloat16, at::kFloat};
    case DType::kFloat64:
      return {at::kDouble, at::kDouble};
  }
  throw Error(ErrorKind::kInternal, "unknown dtype");
}

DecoderWeights load_decoder_weights(const Checkpoint& checkpoint, DType dtype,
                                    const WeightSharing& sharing, at::Device device) {
  const ModelConfig& config = checkpoint.config();
  require_supported(config, checkpoint.label());
  LETHE_ASSERT(!sharing.blobs || !sharing.weights_sha256.empty(),
               "shared weights need a hash that tells checkpoints apart");
  DecoderWeights weights;
  Places places(precision_of(dtype));
  families::map_of(config.architecture)(checkpoint, weights, places);
  const auto& all = places.all();
  const std::string name = "decoder " + std::to_string(kLayoutVersion) + " " + to_string(dtype) +
                           " " + sharing.weights_sha256;
  const bool may_share = sharing.blobs && device.is_cpu();
  if (!may_share || !share(checkpoint, name, *sharing.blobs, all)) {
    load(checkpoint, all, device);
  }
  if (config.tied_embeddings) weights.lm_head = weights.embedding;
  return weights;
}

EncoderWeights load_encoder_weights(const Checkpoint& checkpoint, DType dtype) {
  require_encoder(checkpoint.config(), checkpoint.label());
  EncoderWeights weights;
  Places places(precision_of(dtype));
  families::map_bert(checkpoint.config(), families::bert_prefix(checkpoint), weights, places);
  load(checkpoint, places.all(), at::kCPU);
  return weights;
}

}  // namespace lethe::models
