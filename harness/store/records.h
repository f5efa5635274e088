// SPDX-License-Identifier: Apache-2.0
// Rows of the result store as plain values (what the runner hands over and reports read).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "harness/base/json.h"

namespace lethe::store {

/// How a cell ended. Stored as text: "pending", "running", "done", "failed", …
enum class CellStatus { kPending, kRunning, kDone, kFailed, kOom, kTimeout, kCrashed, kSkipped };
std::string to_string(CellStatus status);
/// Reads what to_string() writes. Throws Error(kStore) for any other text.
CellStatus parse_cell_status(const std::string& text);

/// One cell of a grid with the axes as columns. `inputs` is the canonical JSON the key is hashed
/// over.
struct CellRecord {
  std::string key;    ///< 64 hex digits, SHA-256 of `inputs`
  std::string suite;  ///< the suite that asked for it
  std::string task;
  std::string model;
  std::string policy;
  std::optional<std::int64_t> budget;
  std::string schedule;
  std::string positions;
  std::int64_t length = 0;
  std::string dtype;
  std::string kv_dtype;
  std::int64_t seed = 0;
  std::string inputs;
  std::int64_t n_samples = 0;
};

/// What a worker measured for one sample.
struct SampleRecord {
  std::string sample_key;   ///< SHA-256 of cell key + sample hash
  std::string sample_id;    ///< "860/0": human-readable, unique within a task
  std::string sample_hash;  ///< SHA-256 of the sample's content
  std::string cluster;      ///< unit of independence for intervals: the book or document
  std::int64_t tokens_in = 0;
  std::int64_t tokens_cut = 0;
  std::int64_t tokens_shared =
      0;  ///< of tokens_in, not computed: same as in another cell of the text
  std::int64_t bos_count = 0;
  std::int64_t tokens_scored = 0;  ///< predicted tokens behind nll_sum; 0 where there is none
  std::optional<double> nll_sum;   ///< nats
  std::optional<double> score;     ///< task metric in [0, 1] or its own unit
  std::string output;              ///< raw generated text; empty for perplexity
  std::vector<float> nll_trace;    ///< per-token NLL, nats; stored compressed
  std::int64_t tokens_seen = 0;    ///< per layer
  std::int64_t tokens_evicted =
      0;                      ///< summed over layers and KV heads (layer scope counts each head)
  std::int64_t kept_min = 0;  ///< smallest final cache over layers and heads
  std::int64_t kept_max = 0;
  std::string layers;           ///< JSON array: per layer seen/evicted/kept min-max; "" for none
  std::int64_t kv_bytes = 0;    ///< live KV bytes at the end, measured on the tensors
  std::int64_t peak_bytes = 0;  ///< largest KV bytes during the sample
  std::optional<double> ttft_ms;
  std::optional<double> prefill_tokens_per_s;
  std::optional<double> decode_tokens_per_s;
  double seconds = 0;
};

/// Where rows come from: one row per (run, worker set-up).
struct ProvenanceRecord {
  std::string created_at;  ///< UTC
  std::string version;
  std::string git_commit;  ///< not empty; "unknown" where the build does not know it
  bool git_dirty = false;
  std::string compiler;
  std::string flags;  ///< of the compiler, without paths
  std::string build_type;
  std::string torch_version;  ///< as reported at run time by the worker
  std::string cpu;
  std::string device;
  int threads = 0;
  std::string host;
  std::string kernel;  ///< "Linux 6.1.0-18-amd64"
  std::string command;
  std::string suite_sha256;
};

/// How a training run stands. Stored as text: "pending", "running", "done", "failed",
/// "interrupted".
enum class TrainingStatus { kPending, kRunning, kDone, kFailed, kInterrupted };
std::string to_string(TrainingStatus status);
/// Reads what to_string() writes. Throws Error(kStore) for any other text.
TrainingStatus parse_training_status(const std::string& text);

/// One training run: a recipe with a seed. Its name is not part of its key.
struct TrainingRecord {
  std::string kind;  ///< what is trained: "rmt", "namm"
  std::string name;  ///< "rmt-detect": runs that differ in the seed alone share it
  /// Everything but the seed that may change the result: hyperparameters, data, versions of code.
  json::object recipe;
  std::int64_t seed = 0;
};

/// SHA-256 of the canonical JSON {"kind", "recipe", "seed"}, 64 hex digits, where `recipe` is
/// canonical JSON already: what is stored can be checked without reading its numbers again.
std::string training_key(const std::string& kind, const std::string& recipe, std::int64_t seed);
/// Throws Error(kInternal) when the recipe holds a NaN or an infinity.
std::string training_key(const TrainingRecord& record);

/// One value of a learning curve.
struct TrainingPoint {
  std::int64_t step = 0;  ///< optimiser steps or generations done, at least 0
  std::string stage;      ///< of the curriculum: "3 segments"
  std::string metric;     ///< "train_loss", "validation_accuracy:4"; what follows ':' qualifies it
  double value = 0;       ///< may be infinite; NaN is stored as NULL
};

}  // namespace lethe::store
