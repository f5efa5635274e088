// SPDX-License-Identifier: Apache-2.0
// The tensor backend on the CPU: what a device would run, against the host's own kernels.
#include <ATen/core/Tensor.h>

#include "harness/base/error.h"
#include "tests/models/backend_checks.h"
#include "tests/support/catch.h"

namespace lethe::test {
namespace {

using models::DType;

const models::LoadOptions kTensors = {"cpu", models::Backend::kTensor};

TEST_CASE("tensor operations choose the victims of the host's kernels", "[property]") {
  check_policies(kTensors, 4);
}

TEST_CASE("tensor operations give the golden victims of SmolLM2 in float32", "[golden]") {
  check_goldens(kTensors, 160);
}

TEST_CASE("dense attention and logits by tensor operations", "[property]") {
  check_dense(kTensors);
}

TEST_CASE("tensor operations share prefixes", "[property]") {
  check_prefixes(kTensors);
}

TEST_CASE("an evaluation by tensor operations goes on from its own state", "[property]") {
  check_resume(kTensors);
}

TEST_CASE("weights that underflow when the largest leaves are formed again", "[property]") {
  check_peaked_scores(kTensors);
}

TEST_CASE("bfloat16 by tensor operations", "[property]") {
  check_bfloat16(kTensors);
}

TEST_CASE("a device that is none, or not there, is refused by name", "[fault]") {
  const auto message = [](const std::string& device) -> std::string {
    try {
      models::require_device(device);
    } catch (const Error& error) {
      CHECK(error.kind() == ErrorKind::kConfig);
      return error.what();
    }
    return "accepted";
  };
  CHECK(message("cpu") == "accepted");
  CHECK_THAT(message("cuda0"), Catch::Contains("'cuda0' is unknown; did you mean 'cuda:0'?"));
  CHECK_THAT(message("cuda:"), Catch::Contains("did you mean 'cuda:0'?"));
  CHECK_THAT(message("cuda:-1"), Catch::Contains("is unknown"));
  CHECK_THAT(message("gpu"), Catch::Contains("known: cpu, cuda:0"));
  // By what this machine has: no library, no device, or too few.
  CHECK_THAT(message("cuda:99"),
             Catch::StartsWith("device cuda:99: ") &&
                 (Catch::Contains("./lethe setup --cuda") || Catch::Contains("no CUDA device") ||
                  Catch::Contains("CUDA device")));
}

TEST_CASE("a device's exhausted memory is a resource error", "[fault]") {
  struct Greedy final : policies::EvictionPolicy {
    void select(const policies::CacheView&, std::size_t, policies::EvictionPlan&) override {
      TORCH_CHECK_WITH(OutOfMemoryError, false, "CUDA out of memory. Tried to allocate 1 TiB.");
    }
  };
  auto plan = policies::known_policies().resolve("window");
  plan.make = [](const policies::LayerContext&) { return std::make_unique<Greedy>(); };
  models::EvaluateOptions options;
  options.budget = 8;
  try {
    tiny_model("llama_mha", DType::kFloat32, kTensors).evaluate(random_ids(20, 47), plan, options);
    FAIL("it went on");
  } catch (const Error& error) {
    CHECK(error.kind() == ErrorKind::kResource);
    CHECK(std::string(error.what()) == "device cpu: CUDA out of memory. Tried to allocate 1 TiB.");
  }
}

}  // namespace
}  // namespace lethe::test
