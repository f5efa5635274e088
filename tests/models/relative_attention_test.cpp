// SPDX-License-Identifier: Apache-2.0
// The kernels of relative attention against their definition by tensors, and that against
// arithmetic.
#include <cmath>
#include <string>
#include <vector>

#include <ATen/ATen.h>

#include "harness/base/seed.h"
#include "models/engine/evaluate.h"
#include "models/transformer/relative_attention.h"
#include "tests/support/catch.h"

namespace lethe::models {
namespace {

constexpr double kStep = 1e-5;  // of central differences

struct Shape {
  std::int64_t batch, rows, tokens, heads, head_dim, clip;
};

// Blocks of 8 rows and vectors of 16 columns, met and missed; clips of nothing, of less and of more
// than the sequence.
const std::vector<Shape> kShapes = {
    {1, 1, 1, 1, 8, 0},   {1, 1, 40, 2, 16, 3},   {2, 8, 16, 1, 8, 12},   {2, 9, 17, 3, 20, 1},
    {3, 5, 33, 2, 32, 0}, {1, 16, 16, 4, 16, 40}, {2, 37, 37, 2, 20, 12}, {1, 12, 130, 2, 32, 12},
};

std::string text_of(const Shape& shape) {
  std::string text;
  for (const std::int64_t size :
       {shape.batch, shape.rows, shape.tokens, shape.heads, shape.head_dim, shape.clip}) {
    text += std::to_string(size) + " ";
  }
  return text;
}

at::Tensor uniform(const std::vector<std::int64_t>& sizes, double bound, RandomStream& random) {
  at::Tensor out = at::empty(sizes, at::kDouble);
  double* values = out.mutable_data_ptr<double>();
  for (std::int64_t i = 0; i < out.numel(); ++i) values[i] = bound * (2 * random.uniform() - 1);
  return out;
}

struct Inputs {
  at::Tensor queries, keys_values, bias;
  double scale;

  Inputs as(at::ScalarType type) const {
    return {queries.to(type), keys_values.to(type), bias.to(type), scale};
  }
  /// Leaves that ask for gradients.
  Inputs leaves() const {
    const auto leaf = [](const at::Tensor& tensor) {
      return tensor.detach().clone().set_requires_grad(true);
    };
    return {leaf(queries), leaf(keys_values), leaf(bias), scale};
  }
  std::vector<at::Tensor> gradients() const {
    return {queries.grad(), keys_values.grad(), bias.grad()};
  }
};

Inputs random_inputs(const Shape& shape, std::uint64_t seed) {
  RandomStream random(seed);
  const std::int64_t hidden = shape.heads * shape.head_dim;
  return {uniform({shape.batch, shape.rows, hidden}, 2, random),
          uniform({shape.batch, shape.tokens, 2 * hidden}, 2, random),
          uniform({shape.heads, 2 * shape.clip + 1}, 3, random),
          1 / std::sqrt(static_cast<double>(shape.head_dim))};
}

at::Tensor by_kernels(const Inputs& in) {
  return relative_attention(in.queries, in.keys_values, in.bias, in.scale);
}
at::Tensor by_tensors(const Inputs& in) {
  return relative_attention_by_tensors(in.queries, in.keys_values, in.bias, in.scale);
}

double largest_difference(const at::Tensor& a, const at::Tensor& b) {
  return (a.detach() - b.detach()).abs().max().item<double>();
}

// The sum of the definition, element by element.
double by_hand(const Inputs& in, const Shape& shape, std::int64_t b, std::int64_t i,
               std::int64_t column) {
  const std::int64_t hidden = shape.heads * shape.head_dim, head = column / shape.head_dim;
  const auto q = in.queries.accessor<double, 3>();
  const auto kv = in.keys_values.accessor<double, 3>();
  const auto bias = in.bias.accessor<double, 2>();
  double sum = 0, weighted = 0;
  for (std::int64_t j = 0; j < shape.tokens; ++j) {
    double score = 0;
    for (std::int64_t c = head * shape.head_dim; c < (head + 1) * shape.head_dim; ++c) {
      score += q[b][i][c] * kv[b][j][c];
    }
    std::int64_t offset = j - i;
    if (offset < -shape.clip) offset = -shape.clip;
    if (offset > shape.clip) offset = shape.clip;
    const double weight = std::exp(in.scale * score + bias[head][offset + shape.clip]);
    sum += weight;
    weighted += weight * kv[b][j][hidden + column];
  }
  return weighted / sum;
}

TEST_CASE("relative attention by tensors is its definition", "[unit]") {
  const Shape shape{2, 5, 7, 2, 8, 2};
  const Inputs in = random_inputs(shape, 11);
  at::Tensor weights;
  const at::Tensor out =
      relative_attention_by_tensors(in.queries, in.keys_values, in.bias, in.scale, &weights);
  const auto found = out.accessor<double, 3>();
  for (std::int64_t b = 0; b < shape.batch; ++b) {
    for (std::int64_t i = 0; i < shape.rows; ++i) {
      for (std::int64_t c = 0; c < 16; ++c) {
        CHECK(std::abs(found[b][i][c] - by_hand(in, shape, b, i, c)) < 1e-13);
      }
    }
  }
  CHECK(weights.sizes() == at::IntArrayRef({2, 2, 5, 7}));
  CHECK(largest_difference(weights.sum(-1), at::ones({2, 2, 5}, at::kDouble)) < 1e-14);
}

TEST_CASE("the kernels of relative attention give what its tensors give", "[property]") {
  for (const Shape& shape : kShapes) {
    CAPTURE(text_of(shape));
    const Inputs in = random_inputs(shape, 23);
    const at::Tensor exact = by_tensors(in);
    CHECK(largest_difference(by_kernels(in), exact) < 1e-12);
    const at::Tensor floats = by_kernels(in.as(at::kFloat));
    CHECK(floats.scalar_type() == at::kFloat);
    CHECK(largest_difference(floats.to(at::kDouble), exact) < 1e-5);
  }
}

TEST_CASE("large scores neither overflow nor vanish", "[property]") {
  const Shape shape{1, 20, 20, 2, 16, 4};
  Inputs in = random_inputs(shape, 5);
  in.queries = in.queries * 60;  // scores of some hundreds: most weights are 0
  const at::Tensor exact = by_tensors(in);
  CHECK(largest_difference(by_kernels(in), exact) < 1e-12);
  const at::Tensor floats = by_kernels(in.as(at::kFloat)).to(at::kDouble);
  CHECK(floats.isfinite().all().item<bool>());
  CHECK(largest_difference(floats, by_tensors(in.as(at::kFloat)).to(at::kDouble)) < 1e-4);
}

TEST_CASE("the kernels have the gradients of the tensors", "[property]") {
  for (const Shape& shape : kShapes) {
    CAPTURE(text_of(shape));
    const Inputs in = random_inputs(shape, 31);
    RandomStream random(7);
    const at::Tensor slope =
        uniform({shape.batch, shape.rows, shape.heads * shape.head_dim}, 1, random);
    const auto gradients = [&](const Inputs& leaves, const auto& attention) {
      attention(leaves).backward(slope.to(leaves.queries.scalar_type()));
      return leaves.gradients();
    };
    const auto expected = gradients(in.leaves(), by_tensors);
    const auto found = gradients(in.leaves(), by_kernels);
    const auto floats = gradients(in.as(at::kFloat).leaves(), by_kernels);
    for (std::size_t i = 0; i < expected.size(); ++i) {
      CAPTURE(i);  // queries, keys and values, bias
      const double size = 1 + expected[i].abs().max().item<double>();
      CHECK(found[i].sizes() == expected[i].sizes());
      CHECK(largest_difference(found[i], expected[i]) < 1e-12 * size);
      CHECK(largest_difference(floats[i].to(at::kDouble), expected[i]) < 2e-5 * size);
    }
  }
}

TEST_CASE("the gradients of the kernels are slopes of their values", "[property]") {
  for (const Shape& shape :
       {Shape{1, 3, 5, 2, 8, 1}, Shape{2, 4, 4, 1, 8, 0}, Shape{1, 2, 9, 1, 16, 12}}) {
    CAPTURE(text_of(shape));
    const Inputs in = random_inputs(shape, 41);
    RandomStream random(3);
    const at::Tensor slope =
        uniform({shape.batch, shape.rows, shape.heads * shape.head_dim}, 1, random);
    const Inputs leaves = in.leaves();
    by_kernels(leaves).backward(slope);
    const auto value = [&] { return (by_kernels(in) * slope).sum().item<double>(); };
    const std::vector<at::Tensor> inputs{in.queries, in.keys_values, in.bias};
    const auto gradients = leaves.gradients();
    for (std::size_t i = 0; i < inputs.size(); ++i) {
      double* values = inputs[i].mutable_data_ptr<double>();
      const double* found = gradients[i].const_data_ptr<double>();
      for (std::int64_t e = 0; e < inputs[i].numel(); ++e) {
        const double here = values[e];
        values[e] = here + kStep;
        const double above = value();
        values[e] = here - kStep;
        const double below = value();
        values[e] = here;
        CAPTURE(i, e);
        REQUIRE(std::abs((above - below) / (2 * kStep) - found[e]) < 1e-8);
      }
    }
  }
}

TEST_CASE("the threads of relative attention change no bit", "[property]") {
  const Shape shape{4, 30, 30, 4, 16, 6};
  const auto results = [&](int threads) {
    set_compute_threads(threads);
    const Inputs leaves = random_inputs(shape, 51).as(at::kFloat).leaves();
    const at::Tensor out = by_kernels(leaves);
    out.sum().backward();
    auto all = leaves.gradients();
    all.push_back(out.detach());
    return all;
  };
  const int before = compute_threads();
  const auto one = results(1), two = results(2);
  set_compute_threads(before);
  for (std::size_t i = 0; i < one.size(); ++i) CHECK(one[i].equal(two[i]));
}

}  // namespace
}  // namespace lethe::models
