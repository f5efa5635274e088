// SPDX-License-Identifier: Apache-2.0
#include "models/engine/scan.h"

#include <algorithm>
#include <new>

#include <ATen/ATen.h>

#include "harness/base/clock.h"
#include "harness/base/error.h"
#include "harness/base/hash.h"
#include "harness/base/json.h"
#include "harness/base/state_file.h"
#include "harness/base/version.h"
#include "models/engine/block_attention.h"
#include "models/engine/sequence.h"
#include "models/engine/shared_prefix.h"

namespace lethe::models {
namespace {

// Prefixes are shared in whole multiples of this many rows: there the products give every row the
// same bits whether it is computed in a chunk of 2,048 rows or of fewer.
constexpr std::int64_t kSharedRows = 64;

// Tokens of a text whose projections are shared, of all layers and of the first alone. Longer texts
// stream through in constant memory. A prompt is shared as far as the memory of the PrefixCache
// allows: under the schedules that cut after it, all of it is the same whatever the policy.
constexpr std::int64_t kMostSharedPrefix = 2048;
constexpr std::int64_t kMostSharedPrompt = 65536;
constexpr std::int64_t kMostSharedFirstLayer = 8192;

// A larger cache (the full one of a very long text) takes longer to write than to compute again.
// Two copies are in memory meanwhile.
constexpr std::int64_t kMostStateBytes = std::int64_t{512} << 20;

/// Keeps everything and adds up the attention that each token receives, per KV head. By position:
/// a sliding window moves what is live on through the view.
class ColumnSums final : public policies::EvictionPolicy {
 public:
  explicit ColumnSums(std::vector<std::vector<double>>& sums) : sums_(sums) {}

  void observe(const policies::CacheView& view) override {
    sums_.resize(view.heads.size());
    for (std::size_t h = 0; h < view.heads.size(); ++h) {
      const auto& positions = view.heads[h].positions;
      sums_[h].resize(static_cast<std::size_t>(view.step) + 1, 0.0);
      row_.resize(positions.size());
      view.heads[h].attention.mean_over_heads(0, row_);
      for (std::size_t i = 0; i < row_.size(); ++i) {
        sums_[h][static_cast<std::size_t>(positions[i])] += row_[i];
      }
    }
  }
  void select(const policies::CacheView&, std::size_t, policies::EvictionPlan&) override {}

 private:
  std::vector<std::vector<double>>& sums_;
  std::vector<double> row_;
};

policies::PolicyPlan summing_policy(std::vector<std::vector<double>>& sums) {
  policies::PolicyPlan plan;
  plan.text = "column sums";
  plan.traits.scope = policies::Scope::kKvHead;
  plan.traits.reads_attention = true;
  plan.traits.takes_budget = false;
  plan.make = [&](const policies::LayerContext&) { return std::make_unique<ColumnSums>(sums); };
  return plan;
}

/// One evaluation on its way through the text.
class Scan {
 public:
  /// `later`: tokens that will follow, for which the caches have room.
  Scan(const Decoder& decoder, std::span<const std::int64_t> tokens, std::int64_t later,
       const policies::PolicyPlan& policy, const EvaluateOptions& options)
      : decoder_(decoder),
        tokens_(tokens),
        options_(options),
        policy_(policy),
        count_(static_cast<std::int64_t>(tokens.size())),
        later_(later),
        block_rows_(std::min(options.block_rows, count_)),
        layers_(make_sequence(decoder, policy, options, count_ + later, block_rows_)),
        // A policy that reads the whole text gets it in one piece.
        chunk_tokens_(policy.traits.reads_whole_text ? count_ : options.chunk_tokens),
        attention_(make_block_attention(decoder, block_rows_)) {
    result_.nll.resize(scored_before(count_));
  }

  EvaluateResult run() {
    walk();
    finish_sequence(layers_, count_, options_, result_);
    result_.seconds = seconds_before_;
    return std::move(result_);
  }

  ScannedPrompt run_prompt() {
    walk();
    for (auto& layer : layers_) layer.cache.release_freed();  // as the next token would
    return {std::move(layers_), std::move(result_.logits.front()), result_.shared_tokens};
  }

 private:
  void walk() {
    std::int64_t first = resume();
    if (first == 0) first = replay_prefix();
    while (first < count_) {
      first += chunk(first);
      if (options_.keeper && first < count_ && options_.keeper->due()) save(first);
    }
  }

  // What a saved state belongs to: everything that decides the bits that follow.
  std::string identity() const {
    const auto bytes = std::as_bytes(tokens_);
    return canonical_json(json::object{
        {"owner", options_.keeper->owner()},
        {"engine_version", kEngineVersion},
        {"tokens", sha256_hex({reinterpret_cast<const char*>(bytes.data()), bytes.size()})},
        {"policy", policy_.text},
        {"budget", options_.budget.value_or(0)},
        {"schedule", options_.schedule.text()},
        {"prompt", options_.schedule.prompt},
        {"score_from", options_.score_from},
        {"seed", options_.seed},
        {"dtype", at::toString(decoder_.precision().product)},
        {"kv_type", to_string(options_.kv_type)},
        {"device", decoder_.placement().kind()},
        {"angles", options_.rope_angles == RopeAngles::kF64 ? "f64" : "hf32"},
        {"chunk", options_.chunk_tokens},
        {"block", block_rows_}});
  }

  void save(std::int64_t first) {
    std::int64_t bytes = 0;
    for (auto& layer : layers_) {
      layer.cache.release_freed();  // as the next block would
      bytes += layer.cache.state_bytes();
    }
    if (bytes > kMostStateBytes) return;
    try {
      options_.keeper->save(state(first));
    } catch (const std::bad_alloc&) {  // what has been computed is worth more than its safety
    } catch (const c10::OutOfMemoryError&) {  // likewise, on a device
    }
  }

  std::string state(std::int64_t first) {
    StateWriter out;
    out.put_value("tokens_done", first);
    out.put("nll", std::span<const double>(result_.nll).first(scored_before(first)));
    out.put_value("shared_tokens", result_.shared_tokens);
    out.put_value("seconds", seconds_before_ + system_clock().steady_seconds() - started_);
    save_sequence(out, layers_);
    return out.finish(identity());
  }

  // Returns the tokens that an earlier evaluation has done.
  std::int64_t resume() {
    if (!options_.keeper) return 0;
    auto bytes = options_.keeper->load();
    if (!bytes) return 0;
    try {
      const StateReader in(std::move(*bytes), identity());
      const auto done = in.get_value<std::int64_t>("tokens_done");
      const auto nll = in.get<double>("nll");
      const auto shared = in.get_value<std::int64_t>("shared_tokens");
      const auto seconds = in.get_value<double>("seconds");
      if (done < 1 || done >= count_ || nll.size() != scored_before(done)) {
        throw Error(ErrorKind::kData, "state: " + std::to_string(done) + " of " +
                                          std::to_string(count_) + " tokens cannot be done");
      }
      auto layers = make_sequence(decoder_, policy_, options_, count_, block_rows_);
      load_sequence(in, layers);
      layers_.swap(layers);
      std::copy(nll.begin(), nll.end(), result_.nll.begin());
      report_scores(0, nll.size());
      result_.shared_tokens = shared;
      seconds_before_ = seconds;
      return done;
    } catch (const Error& error) {
      options_.keeper->refused(error.what());
      return 0;
    }
  }

  /// Values of result_.nll that the rows before `row` give.
  std::size_t scored_before(std::int64_t row) const {
    return static_cast<std::size_t>(
        std::clamp<std::int64_t>(row - options_.score_from, 0, count_ - 1 - options_.score_from));
  }

  /// Chunks lie on a fixed grid of the text, wherever the first one begins: how many rows a product
  /// has must not depend on what was taken from a prefix or a state. The rows that a policy looks
  /// at before a cut stay together: otherwise every layer would hold its own until the next chunk.
  std::int64_t chunk_end(std::int64_t first) const {
    const std::int64_t end = (first / chunk_tokens_ + 1) * chunk_tokens_;
    return std::min(count_, layers_.front().policy.past_observation(std::min(end, count_)));
  }

  /// Tokens until one may first leave in some layer: they are computed as under the full model.
  std::int64_t untouched() const {
    std::int64_t tokens = count_;
    for (const auto& layer : layers_) tokens = std::min(tokens, layer.policy.untouched(count_));
    return tokens;
  }

  // Feeds the caches from a shared prefix. Returns the number of tokens that need no computing.
  // A text that is scored without an eviction is computed: "a budget of at least the length equals
  // the full cache" must stay a measurement.
  std::int64_t replay_prefix() {
    if (!options_.prefixes || (later_ == 0 && untouched() == count_)) return 0;
    auto& shared = options_.prefixes->state();
    const SharedPrefix* prefix =
        shared.find(decoder_, options_.rope_angles, options_.score_from, tokens_);
    if (!prefix || policy_.traits.reads_whole_text) return 0;
    const auto held = static_cast<std::int64_t>(prefix->tokens.size());
    // One token of the prefix stays: the NLL of a row is that of the token after it.
    std::int64_t rows = std::min(held - 1, untouched()) / kSharedRows * kSharedRows;
    // What is left of the chunk must be enough rows for the same bits, and no observation begun.
    const auto parts = [&](std::int64_t at) {
      return chunk_end(at) - at < kSharedRows || layers_.front().policy.past_observation(at) != at;
    };
    // Rows that are not computed have no logits.
    for (const std::int64_t row : options_.logit_rows) {
      rows = std::min(rows, row / kSharedRows * kSharedRows);
    }
    while (rows > 0 && parts(rows)) rows -= kSharedRows;
    for (std::size_t l = 0; rows > 0 && l < layers_.size(); ++l) {
      const at::Tensor qkv = prefix->qkv[l].narrow(0, 0, rows);
      if (layers_[l].policy.has_memory()) {
        attend(qkv, 0, layers_[l]);  // for what the policy remembers; what it yields is known
      } else {
        admit(qkv, layers_[l]);
      }
    }
    std::copy_n(prefix->nll.begin(), scored_before(rows), result_.nll.begin());
    report_scores(0, scored_before(rows));
    result_.shared_tokens = rows;
    shared.tokens_shared += rows;
    return rows;
  }

  // One chunk through all layers. Returns its length.
  std::int64_t chunk(std::int64_t first) {
    const std::int64_t rows = chunk_end(first) - first;
    const auto at_first = static_cast<std::size_t>(first);
    at::Tensor hidden =
        decoder_.embed(tokens_.subspan(at_first, static_cast<std::size_t>(rows)), first);
    const RotaryTable rotary =
        decoder_.rotary({options_.rope_angles, count_ + later_}, first, rows);
    if (first == 0) {
      prefix_wanted_ = std::min(untouched(), later_ > 0 ? kMostSharedPrompt : kMostSharedPrefix);
    }
    const std::int64_t share = first == prefix_held() && shares(prefix_wanted_)
                                   ? std::min(rows, prefix_wanted_ - first)
                                   : 0;
    const auto n_layers = static_cast<std::int64_t>(layers_.size());
    for (std::int64_t l = 0; l < n_layers; ++l) {
      if (options_.should_stop && options_.should_stop()) {
        throw Error(ErrorKind::kInterrupted, "stopped after " + std::to_string(first) + " tokens");
      }
      const at::Tensor qkv = project(l, hidden, rotary, first);
      if (policy_.traits.reads_whole_text) {
        layers_[static_cast<std::size_t>(l)].policy.preview(column_sums(qkv, l));
      }
      if (share > 0) {
        gathered_.resize(layers_.size());
        gathered_[static_cast<std::size_t>(l)].push_back(qkv.narrow(0, 0, share).clone());
      }
      decoder_.finish_layer(l, hidden, attend(qkv, first, layers_[static_cast<std::size_t>(l)]));
      if (options_.progress) options_.progress(first + rows * (l + 1) / n_layers);
    }
    collect_logits(decoder_, hidden, first, options_, result_);
    const std::size_t begin = scored_before(first), end = scored_before(first + rows);
    if (end > begin) {
      const std::int64_t skip = std::max<std::int64_t>(0, options_.score_from - first);
      const auto count = static_cast<std::int64_t>(end - begin);
      decoder_.score(hidden.narrow(0, skip, count),
                     tokens_.subspan(static_cast<std::size_t>(first + skip + 1), end - begin),
                     std::span(result_.nll).subspan(begin, end - begin));
      report_scores(begin, end - begin);
    }
    if (share > 0 && prefix_held() == prefix_wanted_) keep_prefix();
    return rows;
  }

  bool shares(std::int64_t rows) const {
    return options_.prefixes && rows >= kSharedRows &&
           options_.prefixes->state().wants(decoder_, options_.rope_angles, options_.score_from,
                                            tokens_, rows);
  }

  /// Tokens whose projections have been gathered for others so far.
  std::int64_t prefix_held() const {
    std::int64_t held = 0;
    if (gathered_.empty()) return held;
    for (const at::Tensor& part : gathered_.front()) held += part.size(0);
    return held;
  }

  void keep_prefix() {
    const auto rows = static_cast<std::size_t>(prefix_wanted_);
    SharedPrefix prefix;
    for (const auto& parts : gathered_) prefix.qkv.push_back(at::cat(parts, 0));
    gathered_.clear();
    prefix_wanted_ = 0;
    prefix.decoder = &decoder_;
    prefix.angles = options_.rope_angles;
    prefix.score_from = options_.score_from;
    prefix.tokens.assign(tokens_.begin(), tokens_.begin() + static_cast<std::ptrdiff_t>(rows));
    prefix.nll.assign(result_.nll.begin(),
                      result_.nll.begin() + static_cast<std::ptrdiff_t>(
                                                scored_before(static_cast<std::int64_t>(rows))));
    options_.prefixes->state().add(std::move(prefix));
  }

  // Attention of some rows in one layer, block by block: [rows, heads * head_dim].
  at::Tensor attend(const at::Tensor& qkv, std::int64_t first_position, SequenceLayer& layer) {
    const auto shape = decoder_.qkv_shape();
    const std::int64_t rows = qkv.size(0);
    at::Tensor out = at::empty({rows, shape.n_heads * shape.head_dim}, qkv.options());
    for (std::int64_t begin = 0; begin < rows; begin += block_rows_) {
      const std::int64_t count = std::min(block_rows_, rows - begin);
      attention_->run(qkv.narrow(0, begin, count), first_position + begin, layer.cache,
                      layer.policy, out.narrow(0, begin, count));
    }
    return out;
  }

  // What every token of the text receives from all queries of a layer under dense attention:
  // [kv_heads][tokens].
  std::vector<std::vector<double>> column_sums(const at::Tensor& qkv, std::int64_t l) {
    std::vector<std::vector<double>> sums;
    const policies::PolicyPlan plan = summing_policy(sums);
    EvaluateOptions options;
    SequenceLayer dense = std::move(
        make_sequence(decoder_, plan, options, count_, block_rows_)[static_cast<std::size_t>(l)]);
    attend(qkv, 0, dense);
    return sums;
  }

  // Rows become live without attention, for policies that look at nothing before the first
  // eviction.
  void admit(const at::Tensor& qkv, SequenceLayer& layer) {
    const std::size_t tables = layer.cache.tables().size();
    const auto rows = static_cast<std::size_t>(qkv.size(0));
    std::vector<std::int32_t> slots(rows * tables);
    layer.cache.write(qkv, slots);
    for (std::size_t r = 0; r < rows; ++r) {
      layer.cache.commit(static_cast<std::int64_t>(r),
                         std::span(slots).subspan(r * tables, tables));
      layer.policy.admit(layer.cache);
    }
  }

  // Cells of one text share the projections of the first layer: no policy has acted before it.
  at::Tensor project(std::int64_t l, const at::Tensor& hidden, const RotaryTable& rotary,
                     std::int64_t first) {
    if (l > 0 || !options_.prefixes || first + hidden.size(0) > kMostSharedFirstLayer) {
      return decoder_.project_qkv(l, hidden, rotary);
    }
    const auto text =
        tokens_.subspan(static_cast<std::size_t>(first), static_cast<std::size_t>(hidden.size(0)));
    return options_.prefixes->state().first_layer(decoder_, options_.rope_angles, first, text, [&] {
      return decoder_.project_qkv(l, hidden, rotary);
    });
  }

  void report_scores(std::size_t first, std::size_t count) {
    for (std::size_t i = first; options_.observer && i < first + count; ++i) {
      options_.observer->scored(options_.score_from + static_cast<std::int64_t>(i), result_.nll[i]);
    }
  }

  const Decoder& decoder_;
  std::span<const std::int64_t> tokens_;
  const EvaluateOptions& options_;
  const policies::PolicyPlan& policy_;
  std::int64_t count_;
  std::int64_t later_;
  std::int64_t block_rows_;
  std::vector<SequenceLayer> layers_;
  std::int64_t chunk_tokens_;
  std::unique_ptr<BlockAttention> attention_;
  EvaluateResult result_;
  std::vector<std::vector<at::Tensor>> gathered_;  ///< [layers][chunks] for options_.prefixes
  std::int64_t prefix_wanted_ = 0;                 ///< tokens to gather
  double started_ = system_clock().steady_seconds();
  double seconds_before_ = 0;
};

}  // namespace

EvaluateResult evaluate_scan(const Decoder& decoder, std::span<const std::int64_t> tokens,
                             const policies::PolicyPlan& policy, const EvaluateOptions& options) {
  return Scan(decoder, tokens, 0, policy, options).run();
}

ScannedPrompt scan_prompt(const Decoder& decoder, std::span<const std::int64_t> tokens,
                          std::int64_t max_new, const policies::PolicyPlan& policy,
                          const EvaluateOptions& options) {
  const auto count = static_cast<std::int64_t>(tokens.size());
  EvaluateOptions unscored = options;
  unscored.score_from = count - 1;
  unscored.logit_rows = {count - 1};
  return Scan(decoder, tokens, max_new, policy, unscored).run_prompt();
}

}  // namespace lethe::models
