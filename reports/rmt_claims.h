// SPDX-License-Identifier: Apache-2.0
// What the RMT papers claim (data/published/claims-rmt.json), what they printed, and whether the
// groups of a database bear it out.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "reports/claim_checks.h"
#include "reports/claims.h"
#include "reports/published.h"
#include "reports/rmt_data.h"

namespace lethe::reports {

enum class RmtClaimKind {
  kHeld,      ///< mean accuracy at one number of segments
  kOrder,     ///< tasks by difficulty at that many segments and more
  kBeyond,    ///< at most chance beyond the trained segments
  kFlat,      ///< loses few points up to that many segments
  kControls,  ///< as computed where the memory is broken
  kMemory,    ///< bytes do not grow
  kCost,      ///< seconds per segment do not change
};

struct RmtClaim {
  std::string id;
  RmtClaimKind kind = RmtClaimKind::kHeld;
  std::string statement;
  std::string source;
  double resident_bound = 0;          ///< memory: ratio of the whole process's bytes at most
  std::vector<std::string> tasks;     ///< held: one; order: easiest first
  std::int64_t segments = 0;          ///< held, order, flat, memory, cost
  std::int64_t from = 0;              ///< memory, cost: segments compared with
  std::int64_t trained_segments = 0;  ///< beyond: exactly; flat: at least
  double bound = 0;  ///< held: points at least; flat: points within; controls: alpha;
                     ///< memory, cost: ratio at most
};

struct RmtClaims {
  std::string paper;
  std::string arxiv;
  /// Task here, in the published tables, and as a heading.
  struct Task {
    std::string task, published, label;
  };
  std::vector<Task> tasks;
  std::vector<std::string> synthetic_noise;  ///< kinds of noise that are no natural text
  std::string mechanism;                     ///< what a tiny model does and does not reproduce
  std::vector<std::string> deviations;
  std::int64_t trained_at_most = 0;  ///< segments, of an honest claim on extrapolation
  std::int64_t samples_at_least = 0;
  std::int64_t seeds_at_least = 0;
  std::vector<RmtClaim> claims;
  PublishedTable long_evaluation;          ///< accuracy, %, by task and segments
  PublishedTable train_evaluation;         ///< the same by segments trained on
  std::vector<PublishedTable> references;  ///< results of other set-ups, never run here

  std::string label(std::string_view task) const;
  bool synthetic(const RmtCondition& condition) const;
  /// Published accuracy in percent of a task at that many segments after training on `trained`.
  const PublishedValue* published(std::string_view task, std::optional<std::int64_t> trained,
                                  std::optional<std::int64_t> segments) const;
};

/// Reads claims-rmt.json and the published tables that it names from `folder`. Throws Error(kData)
/// that names file and member.
RmtClaims read_rmt_claims(const std::filesystem::path& folder);

struct RmtClaimOutcome {
  RmtClaim claim;
  std::vector<NamedCheck> checks;  ///< at least one
  bool mechanism = true;           ///< of models on synthetic text only

  Verdict verdict() const { return verdict_of(checks); }
  std::string summary() const { return summary_of(checks); }
  /// The statement, headed "As a mechanism: " where that alone is reproduced.
  std::string statement() const;
};

/// One test of a control against its expectation.
struct RmtControl {
  const RmtGroup* group = nullptr;
  const RmtLine* line = nullptr;
  const RmtCell* cell = nullptr;
  Accuracy accuracy;
  double expected = 0;
  double p = 1;       ///< exact, two-sided
  double p_holm = 1;  ///< over all controls
  /// Of answers whose fact lies in the last segment, and of the others: right, and all.
  std::size_t last_right = 0, last = 0, before_right = 0, before = 0;
};

/// Broken memories at two segments and more with whole answers, where an expectation can be
/// computed.
std::vector<RmtControl> rmt_controls(const RmtResults& results);

std::vector<RmtClaimOutcome> check_rmt_claims(const RmtResults& results, const RmtClaims& claims);

}  // namespace lethe::reports
