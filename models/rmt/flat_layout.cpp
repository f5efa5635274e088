// SPDX-License-Identifier: Apache-2.0
#include "models/rmt/flat_layout.h"

#include <algorithm>
#include <cmath>
#include <string_view>
#include <utility>

#include <ATen/ATen.h>

#include "harness/base/error.h"
#include "harness/base/seed.h"
#include "models/checkpoint/safetensors_writer.h"

namespace lethe::models {
namespace {

bool ends_with_any(const std::string& text, std::initializer_list<std::string_view> ends) {
  return std::ranges::any_of(ends, [&](std::string_view end) { return text.ends_with(end); });
}

// sin of even dimensions, cos of odd ones.
void fill_sinusoids(float* rows, std::int64_t count, std::int64_t width) {
  for (std::int64_t p = 0; p < count; ++p) {
    for (std::int64_t i = 0; i < width; ++i) {
      const double angle = static_cast<double>(p) / std::pow(1e4, static_cast<double>(i / 2 * 2) /
                                                                      static_cast<double>(width));
      rows[p * width + i] = static_cast<float>(i % 2 == 0 ? std::sin(angle) : std::cos(angle));
    }
  }
}

void fill_uniform(float* values, std::int64_t count, double variance, std::uint64_t seed) {
  RandomStream random(seed);
  const double bound = std::sqrt(3 * variance);
  for (std::int64_t i = 0; i < count; ++i) {
    values[i] = static_cast<float>(bound * (2 * random.uniform() - 1));
  }
}

// First values of one tensor of a file, by what its name says it is.
void fill_first(const Part& part, std::int64_t count, float* values, std::uint64_t seed) {
  const std::string& name = part.name;
  const auto shape = part.wanted_shape();
  if (shape.size() == 1) {
    std::fill_n(values, count, name.ends_with(".weight") ? 1.0F : 0.0F);  // norms; biases
  } else if (ends_with_any(
                 name, {"position_embeddings.weight", "wpe.weight", "embed_positions.weight"})) {
    fill_sinusoids(values, shape[0], shape[1]);
  } else if (ends_with_any(name, {"word_embeddings.weight", "wte.weight", "embed_tokens.weight",
                                  "embed_in.weight", kMemoryTensor})) {
    fill_uniform(values, count, 1.0, derive_seed(seed, name));
  } else if (ends_with_any(name, {"relative_bias.weight", "token_type_embeddings.weight"})) {
    std::fill_n(values, count, 0.0F);
  } else {
    fill_uniform(values, count, 1.0 / (3.0 * static_cast<double>(shape[1])),
                 derive_seed(seed, name));
  }
}

}  // namespace

const Precision FlatLayout::kFloat{at::kFloat, at::kFloat};

void FlatLayout::lay_out(const Places& places) {
  for (const Place& place : places.all()) {
    const std::int64_t count = c10::multiply_integers(place.shape());
    ranges_.push_back({size_, count, place.parts});
    size_ += count;
  }
}

void FlatLayout::add_memory(at::Tensor& memory, Places& places) const {
  if (recurrent_.memory_tokens == 0) return;
  places.matrix(memory, {{kMemoryTensor, {recurrent_.memory_tokens, config_.hidden_size}}});
}

void FlatLayout::bind_views(const at::Tensor& flat, const Places& places) const {
  std::vector<std::int64_t> counts;
  for (const Range& range : ranges_) counts.push_back(range.count);
  const auto parts = flat.split_with_sizes(counts);
  for (std::size_t i = 0; i < parts.size(); ++i) {
    const Place& place = places.all()[i];
    *place.tensor = parts[i].view(place.shape()).to(place.type);
  }
}

at::Tensor FlatLayout::initial(std::uint64_t seed) const {
  const at::Tensor flat = at::empty({size_}, at::kFloat);
  float* next = flat.mutable_data_ptr<float>();
  for (const Range& range : ranges_) {
    for (const Part& part : range.parts) {
      const std::int64_t count = c10::multiply_integers(part.shape);
      fill_first(part, count, next, seed);
      if (part.name == kMemoryTensor && recurrent_.mask == RecurrentMask::kPaper) {
        for (std::int64_t m = 1; m < part.shape[0]; ++m) {
          std::copy_n(next, part.shape[1], next + m * part.shape[1]);
        }
      }
      next += count;
    }
  }
  return flat;
}

void FlatLayout::read_places(const Checkpoint& checkpoint, const Places& places,
                             const at::Tensor& flat, std::size_t required) const {
  for (std::size_t i = 0; i < ranges_.size(); ++i) {
    const Place& place = places.all()[i];
    if (i >= required && !checkpoint.has(place.parts.front().name)) continue;
    Places::fill(checkpoint, place,
                 flat.narrow(0, ranges_[i].first, ranges_[i].count).view(place.shape()));
  }
}

std::string FlatLayout::safetensors(const at::Tensor& flat) const {
  const at::Tensor values = flat.detach().to(at::kCPU, at::kFloat).contiguous();
  std::int64_t first = 0;
  std::vector<at::Tensor> stored;  // what the arrays below look at
  std::vector<FloatArray> arrays;
  for (const Range& range : ranges_) {
    for (const Part& part : range.parts) {
      const std::int64_t count = c10::multiply_integers(part.shape);
      stored.push_back(
          part.stored(values.narrow(0, first, count).view(part.wanted_shape())).contiguous());
      arrays.push_back({part.name,
                        part.shape,
                        {stored.back().const_data_ptr<float>(), static_cast<std::size_t>(count)}});
      first += count;
    }
  }
  return safetensors_bytes(std::move(arrays));
}

}  // namespace lethe::models
