// SPDX-License-Identifier: Apache-2.0
#include "models/rmt/recurrent_host.h"

#include <algorithm>
#include <string>

#include <ATen/ATen.h>

#include "harness/base/error.h"

namespace lethe::models::host {

RecurrentConfig required_config(const std::filesystem::path& folder, RecurrentForm form) {
  const auto config = read_recurrent_config(folder);
  if (!config) {
    throw Error(ErrorKind::kModel,
                folder.string() +
                    ": expected a checkpoint with recurrent memory (config.json with the member "
                    "lethe_rmt, as `lethe train rmt` writes it), found a model without");
  }
  if (config->form != form) {
    const bool encoder = form == RecurrentForm::kEncoder;
    throw Error(ErrorKind::kModel,
                folder.string() + ": expected " + (encoder ? "an encoder" : "a decoder") +
                    " with recurrent memory, which answers in " + (encoder ? "classes" : "tokens") +
                    ", found " + (encoder ? "a decoder" : "an encoder"));
  }
  return *config;
}

at::Tensor tokens(std::span<const std::int64_t> ids, const RecurrentMemory& memory,
                  const ModelConfig& config, std::int64_t most_text) {
  const auto count = static_cast<std::int64_t>(ids.size());
  LETHE_ASSERT(memory.batch > 0 && count % memory.batch == 0, "samples have equal segments");
  const std::int64_t text = count / memory.batch;
  if (text > most_text) {
    throw Error(ErrorKind::kData, "expected a segment of at most " + std::to_string(most_text) +
                                      " text tokens (the positions of the model), found " +
                                      std::to_string(text));
  }
  const auto foreign =
      std::ranges::find_if(ids, [&](std::int64_t id) { return id < 0 || id >= config.vocab_size; });
  if (foreign != ids.end()) {
    throw Error(ErrorKind::kData, "expected token ids from 0 to " +
                                      std::to_string(config.vocab_size - 1) + ", found " +
                                      std::to_string(*foreign));
  }
  return at::from_blob(const_cast<std::int64_t*>(ids.data()), {memory.batch, text}, at::kLong);
}

at::Tensor tensor_of(const RecurrentMemory& memory, std::int64_t hidden,
                     const at::TensorOptions& options) {
  return at::from_blob(const_cast<double*>(memory.values.data()),
                       {memory.batch, memory.rows, hidden}, at::kDouble)
      .to(options, /*non_blocking=*/false, /*copy=*/true);
}

std::vector<double> doubles_of(const at::Tensor& tensor) {
  const at::Tensor host = tensor.to(at::kCPU, at::kDouble).contiguous();
  const double* data = host.const_data_ptr<double>();
  return {data, data + host.numel()};
}

}  // namespace lethe::models::host
