// SPDX-License-Identifier: Apache-2.0
// The decoding loop: lanes of samples that take one step together.
#pragma once

#include <functional>
#include <span>
#include <vector>

#include "models/engine/generate.h"
#include "models/engine/step_rows.h"
#include "models/transformer/decoder.h"

namespace lethe::models {

/// Generates for all requests (already checked), `options.lanes` at a time; `done` is called with
/// each as it ends, in order of ending. A sample's tokens do not depend on its companions: the
/// weight products of a step always have the same number of rows, and every lane has its own cache,
/// policy and random stream.
GenerateTotals decode(const Decoder& decoder, std::span<const GenerateRequest> requests,
                      const GenerateOptions& options, StepRows& rows, const GenerateDone& done);

}  // namespace lethe::models
