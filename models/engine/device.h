// SPDX-License-Identifier: Apache-2.0
// Where a model computes: the CPU, or a CUDA device, whose library is opened only when it is asked
// for.
#pragma once

#include <string>

#include <c10/core/Device.h>
#include <c10/util/Exception.h>

#include "models/engine/evaluate.h"

namespace lethe::models {

struct Placement {
  at::Device device = at::kCPU;
  Backend backend = Backend::kHost;

  /// "cpu", "cpu-tensor", "cuda": devices of one kind give the same numbers.
  std::string kind() const;
};

/// The device of "cpu" or "cuda:N", ready for use, and the backend that it takes. Throws as
/// require_device() does.
Placement open_placement(const LoadOptions& options);

/// `error` as Error(kResource), without LibTorch's backtrace.
Error out_of_device_memory(at::Device device, const c10::OutOfMemoryError& error);

/// What body() returns; a device's exhausted memory becomes Error(kResource).
template <typename Body>
auto with_memory_errors(at::Device device, const Body& body) {
  try {
    return body();
  } catch (const c10::OutOfMemoryError& error) {
    throw out_of_device_memory(device, error);
  }
}

}  // namespace lethe::models
