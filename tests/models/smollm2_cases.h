// SPDX-License-Identifier: Apache-2.0
// The golden policy cases on SmolLM2-135M (tests/golden/policies).
#pragma once

#include <cstdint>
#include <vector>

#include "models/checkpoint/safetensors.h"
#include "tests/models/engine_support.h"

namespace lethe::test {

/// A text and what the policies do to it.
struct PolicyCases {
  std::vector<std::int64_t> ids;
  std::vector<PolicyCase> cases;
};

/// 384 tokens of book 3754, budgets 64 and 128: victims, kept sets, margins, NLL in float64.
const PolicyCases& policies_384();
/// What the cases are after the first `count` tokens: a decision depends on no later token.
PolicyCases first_tokens(const PolicyCases& cases, std::int64_t count);
/// 2,048 tokens of book 860, budgets 128, 256 and 512: NLL in float64 (no victims).
const PolicyCases& policies_2048();

}  // namespace lethe::test
