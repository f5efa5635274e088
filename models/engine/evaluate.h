// SPDX-License-Identifier: Apache-2.0
// Teacher-forced evaluation of a text under a policy: the exact scan, and the step path it is
// proven against. No tensor type crosses this header.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "models/checkpoint/checkpoint.h"
#include "models/engine/prefix_cache.h"
#include "policies/positions.h"
#include "policies/schedule.h"

namespace lethe {
class SharedBlobs;
}

namespace lethe::models {

/// Precision of products. Softmax, scores, norms and accumulation are float32 for kFloat32 and
/// kBFloat16, float64 for kFloat64.
enum class DType { kFloat32, kBFloat16, kFloat64 };
/// "float32", "bfloat16", "float64". Throws Error(kConfig) with a suggestion.
DType parse_dtype(std::string_view text);
std::string to_string(DType dtype);

/// How cached keys and values are stored: kSame is the type of products (float64, float32,
/// bfloat16). kInt8: one signed byte a number, with one float32 scale for every vector of head_dim
/// numbers, so that the largest magnitude becomes 127 (after KIVI's per-token form, arXiv
/// 2402.02750, here for keys too). Keys are stored rotated.
enum class KvType { kSame, kFloat32, kBFloat16, kInt8 };
/// "same", "float32", "bfloat16", "int8". Throws Error(kConfig) with a suggestion.
KvType parse_kv_type(std::string_view text);
std::string to_string(KvType type);

/// kScan walks layer by layer over chunks; kStep feeds one token through all layers and is the
/// definition. Both give the same victims and NLL (exactly in float64, up to near ties in float32).
/// kDense is LibTorch's fused attention over the whole text, for policy full only: a third
/// computation and a yardstick.
enum class Path { kScan, kStep, kDense };

/// Rotary angles: float32 product as transformers forms it, or float64 (required beyond 32,768).
enum class RopeAngles { kHf32, kF64 };

/// What happened to one layer of one sequence.
struct LayerStats {
  std::int64_t seen = 0;
  std::int64_t evicted = 0;   ///< by the policy, summed over KV heads (layer scope: one per token)
  std::int64_t lost = 0;      ///< to the sliding window of the model itself, counted likewise
  std::int64_t kept_min = 0;  ///< final cache size, smallest and largest KV head
  std::int64_t kept_max = 0;
  /// Mean number of steps in which a token is attended to, its own included: (1/T) sum of the rows
  /// attended, mean over KV heads. With a budget k under the exact schedule it is
  /// (1/T) sum of min(t, k + 1) whatever the policy (TOVA Table 2, row "Avg.").
  double mean_lifetime = 0;
  double largest_position = 0;  ///< that any key was rotated by
  std::int64_t live_bytes = 0;  ///< keys and values at the end: (kept, over KV heads) x 2 x
                                ///< head_dim x element size, and the scales of kInt8
  std::int64_t peak_live_bytes = 0;
  std::int64_t allocated_bytes = 0;  ///< of the tensors at the end, free slots included
};

/// Events of an evaluation, for traces. Within one layer, evictions come in order of time; the scan
/// path delivers layer after layer within a chunk, the step path token after token.
class EvaluationObserver {
 public:
  virtual ~EvaluationObserver() = default;
  /// `head` is -1 for layer scope. `position` left after the attention of token `step`.
  virtual void evicted(std::int64_t /*step*/, int /*layer*/, int /*head*/,
                       std::int64_t /*position*/, double /*margin*/) {}
  /// Final cache, ascending positions; once per layer (head -1) or per KV head.
  virtual void kept(int /*layer*/, int /*head*/, std::span<const std::int64_t> /*positions*/) {}
  /// NLL (nats) of token step + 1 given everything up to `step`. Once per scored token, in order.
  virtual void scored(std::int64_t /*step*/, double /*nll*/) {}
};

/// Where a long evaluation leaves its state, to go on after a kill (scan). Called from the thread
/// of evaluate().
class StateKeeper {
 public:
  virtual ~StateKeeper() = default;
  /// Names model and sample: a state of another owner is not used.
  virtual std::string owner() const = 0;
  /// What an unfinished evaluation left. One of another owner, text or options is not used, nor is
  /// a damaged one: then the evaluation begins anew, and refused() says why.
  virtual std::optional<std::string> load() = 0;
  virtual void refused(const std::string& /*why*/) {}
  /// Whether to save now. Asked after every chunk.
  virtual bool due() = 0;
  virtual void save(const std::string& state) = 0;
};

struct EvaluateOptions {
  std::optional<std::int64_t> budget;  ///< tokens kept per layer, counted after eviction
  policies::Schedule schedule;
  policies::Positions positions = policies::Positions::kOriginal;  ///< others: step path only
  Path path = Path::kScan;
  KvType kv_type = KvType::kSame;
  RopeAngles rope_angles = RopeAngles::kHf32;
  /// Tokens per pass through the layers (scan): activations of 512 tokens stay in the caches.
  std::int64_t chunk_tokens = 512;
  std::int64_t block_rows = 64;  ///< query rows per attention block (scan)
  std::uint64_t seed = 0;
  /// Rows before this one are not scored, and cost no LM head: the prompt of a continuation.
  std::int64_t score_from = 0;
  std::vector<std::int64_t> logit_rows;
  EvaluationObserver* observer = nullptr;
  /// Shares the tokens before the first eviction with other evaluations of the same text (scan).
  PrefixCache* prefixes = nullptr;
  StateKeeper* keeper = nullptr;  ///< after a resume the observer misses earlier evictions
  /// Called after every chunk (scan) or every few tokens (step) with the tokens done so far.
  std::function<void(std::int64_t)> progress;
  /// Polled at the same points; true ends the evaluation with Error(kInterrupted).
  std::function<bool()> should_stop;
};

struct EvaluateResult {
  std::vector<double> nll;                 ///< [tokens - 1 - score_from], nats
  std::vector<LayerStats> layers;          ///< [n_layers]
  std::int64_t kv_bytes = 0;               ///< live keys and values at the end, of all layers
  std::int64_t peak_kv_bytes = 0;          ///< sum of the layers' largest
  std::int64_t shared_tokens = 0;          ///< taken from `prefixes`, not computed
  double seconds = 0;                      ///< those before a resume included
  std::vector<std::vector<float>> logits;  ///< one row per logit_rows entry
};

/// Matrix products alone at the model's shapes: the limit no evaluation can pass.
struct ProductTime {
  double gflops = 0;        ///< of the weight products, best of several
  double tokens_per_s = 0;  ///< weight and attention products at that rate
};

// models/engine/generate.h
struct GenerateRequest;
struct GenerateOptions;
struct GenerateResult;
struct GenerateTotals;
/// Called with every sample as it ends, in order of ending.
using GenerateDone = std::function<void(std::size_t index, GenerateResult result)>;

/// A decoder loaded from a checkpoint in one precision. Immutable after loading; evaluate() may be
/// called from one thread at a time.
class Model {
 public:
  virtual ~Model() = default;
  virtual const ModelConfig& config() const = 0;
  virtual DType dtype() const = 0;
  /// What can be said before any work. Throws Error(kData) for fewer than two tokens or ids outside
  /// the vocabulary, Error(kConfig) for a budget below 1, a schedule or positions that the policy,
  /// path or model cannot honour, lengths that need f64 angles, and lengths beyond a table of
  /// learned positions.
  virtual void check(std::span<const std::int64_t> tokens, const policies::PolicyPlan& policy,
                     const EvaluateOptions& options) const = 0;
  /// Calls check() first. Throws Error(kPolicy) for a plan that fails validation, Error(kResource)
  /// where a device's memory runs out.
  virtual EvaluateResult evaluate(std::span<const std::int64_t> tokens,
                                  const policies::PolicyPlan& policy,
                                  const EvaluateOptions& options) const = 0;
  /// Continues every prompt, many samples in step. Checks all requests first: throws Error(kData)
  /// for an empty prompt or ids outside the vocabulary, Error(kConfig) for what a policy, a
  /// schedule or a setting cannot honour. A sample's tokens are the same alone and in any batch.
  virtual GenerateTotals generate(std::span<const GenerateRequest> requests,
                                  const GenerateOptions& options,
                                  const GenerateDone& done) const = 0;
  /// Measures the matrix products of a chunk with a cache of `budget` tokens; see product_time.h.
  virtual ProductTime time_products(const EvaluateOptions& options, std::int64_t budget) const = 0;
};

/// Where the processes of a run keep one copy of the weights. Without `blobs`, a copy of its own.
struct WeightSharing {
  SharedBlobs* blobs = nullptr;  ///< must live during the load, not longer
  std::string weights_sha256;    ///< tells checkpoints apart: what is shared is not read again
};

/// What computes: our own kernels on the CPU, or the same algorithm in plain tensor operations,
/// which run on any device. Both give the same victims and NLL (exactly in float64, up to near ties
/// in float32).
enum class Backend { kHost, kTensor };

struct LoadOptions {
  std::string device = "cpu";        ///< "cpu", "cuda:0", …
  Backend backend = Backend::kHost;  ///< on the CPU; a CUDA device always takes kTensor
};

/// Makes a device ready: call before anything is computed, so that LibTorch finds CUDA. Throws
/// Error(kConfig) for a name that is none (with a suggestion) and a device that is not there.
void require_device(const std::string& name);

/// Loads the weights (validated: shapes, finiteness), or takes those that another process of the
/// run has loaded; its own copy where sharing does not work. Calls require_device(). Throws
/// Error(kModel), and Error(kResource) where a device has too little memory.
std::unique_ptr<Model> load_model(const Checkpoint& checkpoint, DType dtype,
                                  const WeightSharing& sharing = {},
                                  const LoadOptions& options = {});

/// Sets this process up for evaluation: threads of the products and of our own kernels (0: all
/// cores), and an allocator that keeps its memory. Call before the first product.
void set_compute_threads(int threads);
int compute_threads();
/// LibTorch's version as it reports itself at run time.
std::string torch_version();

}  // namespace lethe::models
