// SPDX-License-Identifier: Apache-2.0
// The policy `namm`: a small network judges what stays (NAMM, arXiv 2410.13166). What it does
// stands in namm.cpp.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <span>

#include "policies/namm/parameters.h"
#include "policies/namm/spectrogram.h"
#include "policies/registry.h"

namespace lethe::policies {

/// What an update saw of one KV head and decided. Valid during the call it is passed to.
struct NammHeadUpdate {
  std::span<const std::int64_t> positions;  ///< [tokens], ascending
  const SpectrumTable* spectrum;            ///< omega [17][tokens], not standardised
  std::span<const float> scores;            ///< [tokens], of the network; the newest's too
  std::span<const std::uint8_t> kept;       ///< [tokens], 1: stays
};

/// Looks on: gathers what features are standardised by, or what an analysis wants.
class NammObserver {
 public:
  virtual ~NammObserver() = default;
  /// At every update of every layer, before the engine drops anything; `step` is the position of
  /// the newest token, `heads` one entry per KV head. Called from the threads that evaluate.
  virtual void updated(const LayerContext& layer, std::int64_t step,
                       std::span<const NammHeadUpdate> heads) = 0;
};

struct NammOptions {
  /// The budget is the most that a head keeps. Otherwise the network alone decides, as in the
  /// paper, and no budget is taken.
  bool cap = false;
};

/// A plan for parameters in memory; its text names them by content and cannot be resolved.
/// `observer` may be null and must outlive what the plan makes. Throws Error(kData) as
/// check_namm_parameters() does.
PolicyPlan make_namm_plan(std::shared_ptr<const NammParameters> parameters,
                          const NammOptions& options = {}, NammObserver* observer = nullptr);

/// Where `weights=NAME` is looked for, as NAME/namm.json. Asked when a name is resolved; a program
/// that never says has no names, only files.
void set_namm_folder(std::function<std::filesystem::path()> folder);

void register_namm(Registry& registry);

}  // namespace lethe::policies
