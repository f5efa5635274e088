// SPDX-License-Identifier: Apache-2.0
#include "models/engine/product_time.h"

#include <algorithm>
#include <chrono>
#include <limits>

#include <ATen/ATen.h>

namespace lethe::models {
namespace {

constexpr int kRepeats = 5;

struct Shape {
  std::int64_t rows, out, in;
  double count;  // how often per chunk
};

// A product, done: a device computes on after the call.
void wait_for_product(const at::Tensor& x, const at::Tensor& w) {
  const at::Tensor out = at::mm(x, w.t());
  if (!out.is_cpu()) out[0][0].cpu();
}

double seconds_of(const Shape& shape, at::ScalarType type, at::Device device) {
  const at::Tensor x = at::randn({shape.rows, shape.in}).to(device, type);
  const at::Tensor w = at::randn({shape.out, shape.in}).to(device, type);
  wait_for_product(x, w);  // warm-up: packing buffers, code paths
  double best = std::numeric_limits<double>::infinity();
  for (int i = 0; i < kRepeats; ++i) {
    const auto start = std::chrono::steady_clock::now();
    wait_for_product(x, w);
    best = std::min(
        best, std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
  }
  return best;
}

}  // namespace

ProductTime time_products(const Decoder& decoder, std::int64_t chunk_tokens,
                          std::int64_t block_rows, std::int64_t budget) {
  const ModelConfig& c = decoder.config();
  const auto layers = static_cast<double>(c.n_layers);
  const std::int64_t q = c.n_heads * c.head_dim, kv = c.n_kv_heads * c.head_dim;
  const std::int64_t score_rows = std::min<std::int64_t>(512, chunk_tokens);
  const Shape shapes[] = {
      {chunk_tokens, q + 2 * kv, c.hidden_size, layers},
      {chunk_tokens, c.hidden_size, q, layers},
      {chunk_tokens, (c.gated_mlp ? 2 : 1) * c.intermediate_size, c.hidden_size, layers},
      {chunk_tokens, c.hidden_size, c.intermediate_size, layers},
      {score_rows, c.vocab_size, c.hidden_size,
       static_cast<double>(chunk_tokens) / static_cast<double>(score_rows)}};
  double seconds = 0, flops = 0;
  for (const Shape& shape : shapes) {
    seconds +=
        shape.count * seconds_of(shape, decoder.precision().product, decoder.placement().device);
    flops += shape.count * 2.0 * static_cast<double>(shape.rows * shape.out * shape.in);
  }
  ProductTime time;
  time.gflops = flops / seconds / 1e9;
  const double attention_flops = 2.0 * 2.0 * static_cast<double>(budget + block_rows) *
                                 static_cast<double>(q) * layers *
                                 static_cast<double>(chunk_tokens);
  time.tokens_per_s =
      static_cast<double>(chunk_tokens) / ((flops + attention_flops) / (time.gflops * 1e9));
  return time;
}

}  // namespace lethe::models
