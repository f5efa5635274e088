// SPDX-License-Identifier: Apache-2.0
// What a decoder computes between its matrix products, in two ways: by our own kernels on the host,
// or by plain tensor operations, which run on any device.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>

#include <ATen/core/Tensor.h>

#include "models/transformer/kernels.h"
#include "models/transformer/rotary.h"
#include "models/transformer/weights.h"

namespace lethe::models {

/// Rows are tokens. "Compute" and "product" are the types of Precision. Stateless.
class Arithmetic {
 public:
  virtual ~Arithmetic() = default;
  /// Compute type in, product type out: x / sqrt(mean(x^2) + eps) * weight.
  virtual at::Tensor rms_norm(const at::Tensor& x, const at::Tensor& weight, double eps) const = 0;
  /// Product type in ([rows, shape.row()]), compute type out: queries and keys rotated, as many
  /// dimensions of a head as the table has. May overwrite `qkv`.
  virtual at::Tensor rotate(const at::Tensor& qkv, const RotaryTable& table,
                            const kernels::QkvShape& shape) const = 0;
  /// Product type: silu(gate) * up of [rows, gate | up]. Others: activated().
  virtual at::Tensor silu_mul(const at::Tensor& gate_up) const = 0;
  /// sum (compute type) += x (product type).
  virtual void add_to(at::Tensor& sum, const at::Tensor& x) const = 0;
  /// out[i] = -log p(targets[i] | row i), nats, of the logits normed · head^T (product type; head
  /// is [vocab, hidden]), which are formed piece by piece, capped where there is a `softcap`, and
  /// summed in float64.
  virtual void score(const at::Tensor& normed, const at::Tensor& head,
                     std::optional<double> softcap, std::span<const std::int64_t> targets,
                     std::span<double> out) const = 0;
};

/// For tensors on the CPU.
std::unique_ptr<const Arithmetic> host_arithmetic(const Precision& precision);
/// For tensors on any device.
std::unique_ptr<const Arithmetic> tensor_arithmetic(const Precision& precision);

}  // namespace lethe::models
