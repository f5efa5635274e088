// SPDX-License-Identifier: Apache-2.0
#include "models/transformer/weight_places.h"

#include <algorithm>
#include <utility>

#include <ATen/ATen.h>

#include "harness/base/error.h"

namespace lethe::models {
namespace {

void read(const Checkpoint& checkpoint, const Part& part, const at::Tensor& floats) {
  checkpoint.read(part.name,
                  {floats.mutable_data_ptr<float>(), static_cast<std::size_t>(floats.numel())});
}

// What is stored as what is wanted, in `type` or a type that still has to be converted.
at::Tensor arranged(const at::Tensor& stored, const Part& part, at::ScalarType type) {
  switch (part.storage) {
    case Storage::kPlain:
      return stored;
    case Storage::kTransposed:
      return stored.t();
    case Storage::kThreePerHead:
      return stored.view({part.heads, 3, -1}).transpose(0, 1).reshape(stored.sizes());
    case Storage::kMinusOne:
      return stored.to(type) + 1;  // in the type that the norm multiplies in
  }
  return stored;
}

}  // namespace

std::vector<std::int64_t> Part::wanted_shape() const {
  auto wanted = shape;
  if (storage == Storage::kTransposed) std::ranges::reverse(wanted);
  return wanted;
}

at::Tensor Part::stored(const at::Tensor& wanted) const {
  switch (storage) {
    case Storage::kPlain:
      return wanted;
    case Storage::kTransposed:
      return wanted.t();
    case Storage::kThreePerHead:
      return wanted.view({3, heads, -1}).transpose(0, 1).reshape(shape);
    case Storage::kMinusOne:
      return wanted - 1;
  }
  throw Error(ErrorKind::kInternal, "unknown storage of a weight");
}

std::vector<std::int64_t> Place::shape() const {
  std::vector<std::int64_t> all = parts.front().wanted_shape();
  for (std::size_t i = 1; i < parts.size(); ++i) all.front() += parts[i].wanted_shape().front();
  return all;
}

std::size_t Place::bytes() const {
  return static_cast<std::size_t>(c10::multiply_integers(shape())) * c10::elementSize(type);
}

void Places::matrix(at::Tensor& tensor, std::vector<Part> parts) {
  all_.push_back({&tensor, precision_.product, std::move(parts)});
}

void Places::vector(at::Tensor& tensor, std::vector<Part> parts) {
  all_.push_back({&tensor, precision_.compute, std::move(parts)});
}

void Places::linear(at::Tensor& weight, at::Tensor& bias, const std::string& stem, std::int64_t out,
                    std::int64_t in, bool with_bias) {
  matrix(weight, {{stem + ".weight", {out, in}}});
  if (with_bias) vector(bias, {{stem + ".bias", {out}}});
}

void Places::qkv(LayerWeights& layer, const std::vector<std::string>& stems,
                 const ModelConfig& config) {
  std::vector<Part> weights, biases;
  for (std::size_t i = 0; i < stems.size(); ++i) {
    const std::int64_t rows = (i == 0 ? config.n_heads : config.n_kv_heads) * config.head_dim;
    weights.push_back({stems[i] + ".weight", {rows, config.hidden_size}});
    biases.push_back({stems[i] + ".bias", {rows}});
  }
  matrix(layer.qkv, std::move(weights));
  if (config.attention_bias) vector(layer.qkv_bias, std::move(biases));
}

void Places::norm(Norm& norm, const std::string& stem, const ModelConfig& config) {
  const Storage storage =
      config.norm == NormKind::kRmsPlusOne ? Storage::kMinusOne : Storage::kPlain;
  vector(norm.weight, {{stem + ".weight", {config.hidden_size}, storage}});
  if (config.norm == NormKind::kLayer) {
    vector(norm.bias, {{stem + ".bias", {config.hidden_size}}});
  }
}

void Places::fill(const Checkpoint& checkpoint, const Place& place, const at::Tensor& tensor) {
  std::int64_t row = 0;
  for (const Part& part : place.parts) {
    checkpoint.expect_shape(part.name, part.shape);
    const std::int64_t count = part.wanted_shape().front();
    const at::Tensor rows = tensor.narrow(0, row, count);
    row += count;
    if (place.type == at::kFloat && part.storage == Storage::kPlain) {
      read(checkpoint, part, rows);
    } else {
      const at::Tensor floats = at::empty(part.shape, at::kFloat);
      read(checkpoint, part, floats);
      rows.copy_(arranged(floats, part, place.type));
    }
  }
}

}  // namespace lethe::models
