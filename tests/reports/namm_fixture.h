// SPDX-License-Identifier: Apache-2.0
// Result databases of NAMM beside other policies with fixed numbers.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "harness/store/run_store.h"

namespace lethe::test {

/// One cell; every sample is a document of its own.
struct NammCellSpec {
  std::string task = "recall";
  std::string model = "recall";
  std::int64_t length = 512;
  std::string policy = "full";
  std::optional<std::int64_t> budget = {};
  std::string schedule = "block:64";
  std::int64_t seed = 0;
  std::string content = {};  ///< name whose hash is that of the parameters; "" for none
  std::int64_t samples = 40;
  std::int64_t wanted = 0;   ///< 0: as many as there are
  double mean_tokens = 256;  ///< of a layer; the second of two has two more
  double peak_tokens = 512;  ///< likewise
  bool with_layers = true;
  store::CellStatus status = store::CellStatus::kDone;
  std::string reason = {};
  std::function<double(std::int64_t sample)> score = {};     ///< 1 at best
  std::function<double(std::int64_t sample)> mean_nll = {};  ///< instead: a text
};

/// Adds the cell to the suite "namm"; returns its key.
std::string add_namm_cell(store::RunStore& store, const NammCellSpec& spec);

/// 1 for the first `count` samples, else 0.
std::function<double(std::int64_t)> first_ones(std::int64_t count);

/// A training run of a capped T1 evolution of 10 generations that made the parameters `content`.
void add_namm_training(store::RunStore& store, const std::string& content, std::int64_t seed,
                       const std::vector<std::string>& tasks = {"recall"});

/// Three seeds of NAMM, capped at 96, with the full cache, equal and unequal policies, a failed
/// cell and the trainings: 30, 32 and 34 of 40 right; random 10, window 12, H2O 20, L2 32,
/// truncation 36.
void add_namm_trial(store::RunStore& store);

}  // namespace lethe::test
