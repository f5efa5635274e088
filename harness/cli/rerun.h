// SPDX-License-Identifier: Apache-2.0
// Measuring a random share of a database's samples again.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "harness/cli/options.h"
#include "harness/cli/stored_cells.h"
#include "harness/store/run_store.h"

namespace lethe::cli {

/// How a sample came out the second time.
struct RerunSample {
  enum class Verdict {
    kIdentical,    ///< the same bits in NLL, trace and score, the same output
    kWithinNoise,  ///< mean NLL within noise_floor(), score within it too, the same output
    kDifferent,
  };
  std::string label;  ///< of the cell, and the sample's id
  Verdict verdict = Verdict::kIdentical;
  double mean_nll_difference = 0;       ///< again minus stored, nats per token; 0 without NLL
  double largest_trace_difference = 0;  ///< nats; infinite for traces of unequal length
};

struct Rerun {
  std::int64_t samples_stored = 0;  ///< there were to choose from
  std::vector<RerunSample> samples;
  std::vector<std::string> not_run;  ///< chosen samples that cannot be run here, each with why
  std::vector<std::string> failed;   ///< cells whose samples failed this time, each with why
  bool interrupted = false;

  std::int64_t count(RerunSample::Verdict verdict) const;
};

/// Largest difference in mean NLL (nats per token) between two correct runs of one sample whose
/// sums are not formed in the same order: 1e-5 in float32, 1e-2 in bfloat16, 1e-9 in float64.
double noise_floor(const std::string& dtype);

/// Chooses `percent` of the stored samples (rounded up, at least one) by `seed`, runs them through
/// the machinery of `lethe run` into a database that is thrown away, and compares. `options` are
/// those of execution_options(). The choice depends on which samples there are and on the seed, not
/// on the order of rows. Shows progress on standard error. Throws as execute() does.
Rerun rerun_share(const store::RunStore& store, std::int64_t percent, std::int64_t seed,
                  const AtHand& at_hand, const Options& options);

std::string to_string(RerunSample::Verdict verdict);

}  // namespace lethe::cli
