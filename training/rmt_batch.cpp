// SPDX-License-Identifier: Apache-2.0
#include "training/rmt_batch.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include "models/rmt/recurrent_encoder.h"

namespace lethe::training {

BatchResult run_batch(const models::RecurrentLayout& layout, const at::Tensor& flat,
                      std::span<const tasks::FactSample> samples, std::int64_t bptt,
                      bool with_gradient) {
  const c10::AutoGradMode mode(with_gradient);
  // A leaf of its own on the shared values: threads must not add into one gradient.
  at::Tensor leaf = flat.detach();
  leaf.set_requires_grad(with_gradient);
  const models::RecurrentEncoder encoder(layout, layout.bind(leaf),
                                         {flat.scalar_type(), flat.scalar_type()});
  const auto batch = static_cast<std::int64_t>(samples.size());
  const std::int64_t segments = samples.front().segments(),
                     tokens = samples.front().segment_tokens();
  at::Tensor memory = encoder.initial(batch), cls;
  for (std::int64_t s = 0; s < segments; ++s) {
    const at::Tensor ids = at::empty({batch, tokens}, at::kLong);
    for (std::int64_t i = 0; i < batch; ++i) {
      samples[static_cast<std::size_t>(i)].fill(
          s, {ids.mutable_data_ptr<std::int64_t>() + i * tokens, static_cast<std::size_t>(tokens)});
    }
    // (The initial memory is a weight: within reach of the gradient it is trained.)
    if (bptt > 0 && s > 0 && s + bptt == segments - 1) memory = memory.detach();
    const auto segment = encoder.segment(ids.to(flat.device()), memory);
    memory = segment.memory;
    cls = segment.cls;
  }
  std::vector<std::int64_t> answers;
  for (const tasks::FactSample& sample : samples) answers.push_back(sample.answer());
  const at::Tensor wanted = at::tensor(answers, at::kLong).to(flat.device());
  const at::Tensor logits = encoder.logits(cls);
  const at::Tensor loss = at::cross_entropy_loss(logits, wanted, {}, at::Reduction::Sum);
  BatchResult result;
  if (with_gradient) {
    loss.backward();
    result.gradient = leaf.grad();
  }
  result.loss = loss.item<double>();
  result.right = logits.argmax(1).eq(wanted).sum().item<std::int64_t>();
  return result;
}

}  // namespace lethe::training
