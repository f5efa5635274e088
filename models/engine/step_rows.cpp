// SPDX-License-Identifier: Apache-2.0
#include "models/engine/step_rows.h"

#include <algorithm>
#include <vector>

#include <ATen/ATen.h>

#include "harness/base/seed.h"

namespace lethe::models {
namespace {

// Below eight rows MKL and oneDNN take kernels for vectors, whose sums have another order.
constexpr std::int64_t kMultiple = 8;

at::Tensor random_rows(RandomStream& random, std::int64_t rows, std::int64_t width,
                       const at::Tensor& like) {
  const at::Tensor host = at::empty({rows, width}, at::kFloat);
  auto* data = host.mutable_data_ptr<float>();
  for (std::int64_t i = 0; i < host.numel(); ++i) {
    data[i] = static_cast<float>(random.uniform() - 0.5);
  }
  return host.to(like.options());
}

}  // namespace

std::int64_t StepRows::of(std::int64_t lanes) {
  const std::int64_t rows = (lanes + kMultiple - 1) / kMultiple * kMultiple;
  if (rows == kReference) return rows;
  const auto known = agreed_.find(rows);
  const bool agreed = known != agreed_.end() ? known->second : agree(rows);
  agreed_[rows] = agreed;
  return agreed ? rows : kReference;
}

bool StepRows::agree(std::int64_t rows) const {
  const auto shape = decoder_.qkv_shape();
  const std::int64_t count =
      (std::max(rows, kReference) + kReference - 1) / kReference * kReference;
  RandomStream random(1);
  const at::Tensor like = decoder_.embed(std::vector<std::int64_t>{0}, 0);
  const at::Tensor hidden = random_rows(random, count, like.size(1), like);
  const at::Tensor attended = random_rows(random, count, shape.n_heads * shape.head_dim, like);

  struct Products {
    at::Tensor qkv, layer, logits;
  };
  const auto products = [&](std::int64_t first, std::int64_t n) {
    at::Tensor stream = hidden.narrow(0, first, n).clone();
    Products out;
    out.qkv = decoder_.project_qkv(0, stream).clone();
    decoder_.finish_layer(0, stream, attended.narrow(0, first, n).contiguous());
    out.layer = stream;
    out.logits = decoder_.logits(stream);
    return out;
  };
  const Products found = products(0, rows);
  for (std::int64_t first = 0; first < rows; first += kReference) {
    const std::int64_t n = std::min(kReference, rows - first);
    const Products expected = products(first, kReference);
    for (const auto member : {&Products::qkv, &Products::layer, &Products::logits}) {
      if (!at::equal((found.*member).narrow(0, first, n), (expected.*member).narrow(0, 0, n))) {
        return false;
      }
    }
  }
  return true;
}

}  // namespace lethe::models
