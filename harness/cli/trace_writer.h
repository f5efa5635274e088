// SPDX-License-Identifier: Apache-2.0
// The JSON lines of `lethe trace`.
#pragma once

#include <cstdint>
#include <map>
#include <ostream>
#include <span>
#include <vector>

#include "harness/base/json.h"
#include "models/engine/evaluate.h"

namespace lethe::cli {

/// Writes token, evict, kept and summary lines. The scan path delivers a chunk's evictions layer
/// after layer; here they are put back into order of eviction: token, then layer, then head. At
/// most one chunk's evictions are held in memory.
class TraceWriter : public models::EvaluationObserver {
 public:
  TraceWriter(std::ostream& out, std::span<const std::int64_t> tokens)
      : out_(out), tokens_(tokens) {}

  void evicted(std::int64_t step, int layer, int head, std::int64_t position,
               double margin) override;
  void kept(int layer, int head, std::span<const std::int64_t> positions) override;
  void scored(std::int64_t step, double nll) override;

  /// The last token (nothing follows it, so its NLL is null), the kept lines and the summary.
  void finish(double seconds);
  void write(const json::object& line);

 private:
  struct Eviction {
    int layer;
    int head;  ///< -1: the whole layer
    std::int64_t position;
    double margin;
  };
  void write_token(std::int64_t step, std::optional<double> nll);

  std::ostream& out_;
  std::span<const std::int64_t> tokens_;
  std::int64_t next_ = 0;  ///< first token not yet written
  std::map<std::int64_t, std::vector<Eviction>> waiting_;
  std::vector<json::object> kept_;
  std::vector<double> nll_;
};

}  // namespace lethe::cli
