// SPDX-License-Identifier: Apache-2.0
#include "training/rmt_batch.h"

#include <algorithm>
#include <cmath>
#include <string>

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include "harness/base/seed.h"
#include "models/rmt/recurrent_encoder.h"

namespace lethe::training {
namespace {

// The flat weights as a leaf of their own: threads must not add into one gradient.
at::Tensor leaf_of(const at::Tensor& flat, bool with_gradient) {
  at::Tensor leaf = flat.detach();
  leaf.set_requires_grad(with_gradient);
  return leaf;
}

BatchResult finished(const at::Tensor& loss, const at::Tensor& leaf, double right) {
  BatchResult result;
  if (leaf.requires_grad()) {
    loss.backward();
    result.gradient = leaf.grad();
  }
  result.loss = loss.item<double>();
  result.right = right;
  return result;
}

// [samples, memory tokens, hidden] of `like`, uniform of mean 0 and variance 1. The stream is ours:
// the same on every machine and device.
at::Tensor unit_noise(const at::Tensor& like, std::uint64_t seed) {
  RandomStream random(seed);
  const at::Tensor noise = at::empty(like.sizes(), at::kFloat);
  float* values = noise.mutable_data_ptr<float>();
  const double reach = std::sqrt(3.0);
  for (std::int64_t i = 0; i < noise.numel(); ++i) {
    values[i] = static_cast<float>(reach * (2 * random.uniform() - 1));
  }
  return noise.to(like.options());
}

}  // namespace

BatchResult run_batch(const models::RecurrentLayout& layout, const at::Tensor& flat,
                      std::span<const tasks::FactSample> samples, std::int64_t bptt,
                      bool with_gradient, const MemoryNoise& noise) {
  const c10::AutoGradMode mode(with_gradient);
  const at::Tensor leaf = leaf_of(flat, with_gradient);
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
    if (noise.share > 0 && s > 0 && memory.numel() > 0) {
      const at::Tensor size = memory.detach().square().mean().sqrt();
      memory = memory + unit_noise(memory, derive_seed(noise.seed, std::to_string(s))) *
                            (size * noise.share);
    }
    const auto segment = encoder.segment(ids.to(flat.device()), memory);
    memory = segment.memory;
    cls = segment.cls;
  }
  std::vector<std::int64_t> answers;
  for (const tasks::FactSample& sample : samples) answers.push_back(sample.answer());
  const at::Tensor wanted = at::tensor(answers, at::kLong).to(flat.device());
  const at::Tensor logits = encoder.logits(cls);
  const at::Tensor loss = at::cross_entropy_loss(logits, wanted, {}, at::Reduction::Sum);
  return finished(loss, leaf, logits.argmax(1).eq(wanted).sum().item<double>());
}

BatchResult run_batch(const models::RecurrentDecoderLayout& layout, const at::Tensor& flat,
                      const tasks::SequenceGenerator& generator,
                      std::span<const tasks::SequenceSample> samples, std::int64_t segments,
                      std::int64_t bptt, bool with_gradient) {
  const c10::AutoGradMode mode(with_gradient);
  const at::Tensor leaf = leaf_of(flat, with_gradient);
  const models::Precision precision{flat.scalar_type(), flat.scalar_type()};
  const models::RecurrentDecoder decoder(layout, layout.bind(leaf, precision), precision);
  const auto batch = static_cast<std::int64_t>(samples.size());
  const std::int64_t inputs = generator.inputs(), each = generator.segment_tokens(segments);
  // Row t of a sample predicts token t + 1; rows of the target that count share a weight of 1.
  const at::Tensor all = at::empty({batch, inputs + 1}, at::kLong);
  const at::Tensor shares = at::zeros({batch, inputs}, at::kDouble);
  std::int64_t first = inputs;
  for (std::int64_t i = 0; i < batch; ++i) {
    const tasks::SequenceSample& sample = samples[static_cast<std::size_t>(i)];
    std::ranges::copy(sample.tokens, all.mutable_data_ptr<std::int64_t>() + i * (inputs + 1));
    const std::int64_t step = sample.target_step;
    const std::int64_t count = (sample.target_end - sample.target_begin) / step;
    shares[i]
        .slice(0, sample.target_begin + step - 2, sample.target_end - 1, step)
        .fill_(1.0 / static_cast<double>(count));
    first = std::min(first, sample.target_begin - 1);
  }
  const at::Tensor ids = all.to(flat.device());
  at::Tensor memory = decoder.initial(batch);
  std::vector<at::Tensor> scored;  // hidden states of rows first …
  for (std::int64_t s = 0; s < segments; ++s) {
    const std::int64_t begin = s * each, end = std::min(begin + each, inputs);
    if (bptt > 0 && s > 0 && s + bptt < segments) memory = memory.detach();
    const auto segment =
        decoder.segment(ids.narrow(1, begin, end - begin), memory, /*write=*/s + 1 < segments);
    memory = segment.memory;
    const std::int64_t from = std::max(begin, first);
    if (from < end) scored.push_back(segment.text.narrow(1, from - begin, end - from));
  }
  const at::Tensor logits = decoder.logits(at::cat(scored, 1));
  const at::Tensor wanted = ids.narrow(1, first + 1, inputs - first);
  const at::Tensor nll = at::cross_entropy_loss(logits.reshape({-1, logits.size(-1)}),
                                                wanted.reshape({-1}), {}, at::Reduction::None);
  const at::Tensor loss =
      (nll.view(wanted.sizes()) * shares.narrow(1, first, inputs - first).to(nll.options())).sum();
  const at::Tensor likeliest = logits.argmax(-1).cpu().contiguous();
  double right = 0;
  for (std::int64_t i = 0; i < batch; ++i) {
    const tasks::SequenceSample& sample = samples[static_cast<std::size_t>(i)];
    const std::int64_t* row = likeliest.const_data_ptr<std::int64_t>() + i * (inputs - first) +
                              (sample.target_begin - 1 - first);
    right += generator.score(
        sample, {row, static_cast<std::size_t>(sample.target_end - sample.target_begin)});
  }
  return finished(loss, leaf, right);
}

}  // namespace lethe::training
