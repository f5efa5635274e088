// SPDX-License-Identifier: Apache-2.0
#include "models/engine/decode.h"

#include <algorithm>
#include <limits>
#include <memory>
#include <optional>
#include <string>

#include <ATen/ATen.h>
#include <c10/core/InferenceMode.h>

#include "harness/base/clock.h"
#include "harness/base/error.h"
#include "models/engine/block_attention.h"
#include "models/engine/scan.h"
#include "models/engine/sequence.h"
#include "models/transformer/parallel.h"

namespace lethe::models {
namespace {

/// A sample on its way.
struct Lane {
  std::size_t index = 0;  ///< of its request
  const GenerateRequest* request = nullptr;
  std::vector<SequenceLayer> layers;
  std::unique_ptr<BlockAttention> attention;
  std::optional<Sampler> sampler;
  std::int64_t position = 0;  ///< of the token that goes in next
  std::int64_t token = 0;     ///< the newest, which goes in next
  bool ended = false;
  GenerateResult result;
};

/// A prompt that other samples may go on from.
struct Prefill {
  const GenerateRequest* request = nullptr;
  std::string state;
  std::vector<float> logits;
};

bool same_prefill(const GenerateRequest& a, const GenerateRequest& b) {
  return a.prompt == b.prompt && a.policy->text == b.policy->text && a.budget == b.budget &&
         a.schedule.text() == b.schedule.text() && a.schedule.prompt == b.schedule.prompt &&
         a.policy_seed == b.policy_seed && a.max_new == b.max_new;
}

class Batch {
 public:
  Batch(const Decoder& decoder, std::span<const GenerateRequest> requests,
        const GenerateOptions& options, std::int64_t rows, const GenerateDone& done)
      : decoder_(decoder), requests_(requests), options_(options), done_(done), rows_(rows) {}

  GenerateTotals run() {
    std::size_t next = 0;
    while (next < requests_.size() || !lanes_.empty()) {
      while (next < requests_.size() && static_cast<std::int64_t>(lanes_.size()) < options_.lanes) {
        check_stop();
        if (options_.last_sample && options_.last_sample()) {
          next = requests_.size();
          break;
        }
        begin(next++);
      }
      retire();
      if (lanes_.empty()) continue;
      check_stop();
      const double started = system_clock().steady_seconds();
      for (std::size_t first = 0; first < lanes_.size(); first += static_cast<std::size_t>(rows_)) {
        step(std::span(lanes_).subspan(
            first, std::min(static_cast<std::size_t>(rows_), lanes_.size() - first)));
      }
      const double seconds = system_clock().steady_seconds() - started;
      for (const auto& lane : lanes_) lane->result.decode_seconds += seconds;
      totals_.decode_seconds += seconds;
      ++totals_.steps;
      retire();
      report(0);
    }
    return totals_;
  }

 private:
  void check_stop() const {
    if (options_.should_stop && options_.should_stop()) {
      throw Error(ErrorKind::kInterrupted,
                  "stopped after " + std::to_string(totals_.new_tokens) + " new tokens");
    }
  }

  // Tokens done, with those of a prompt on its way.
  void report(std::int64_t of_prompt) const {
    if (!options_.progress) return;
    options_.progress(totals_.prompt_tokens + of_prompt + totals_.new_tokens);
  }

  EvaluateOptions evaluate_options(const GenerateRequest& request) const {
    EvaluateOptions evaluate;
    evaluate.budget = request.budget;
    evaluate.schedule = request.schedule;
    evaluate.kv_type = options_.kv_type;
    evaluate.rope_angles = options_.rope_angles;
    evaluate.chunk_tokens = options_.chunk_tokens;
    evaluate.block_rows = options_.block_rows;
    evaluate.seed = request.policy_seed;
    evaluate.prefixes = options_.prefixes;
    evaluate.should_stop = options_.should_stop;
    if (options_.progress) {
      evaluate.progress = [this](std::int64_t tokens) { report(tokens); };
    }
    return evaluate;
  }

  // The lane's next token, of ids that may be chosen.
  std::int64_t choose(Lane& lane, std::span<const float> logits) const {
    const auto ids = static_cast<std::size_t>(options_.drawable_ids);
    if (ids != 0) logits = logits.first(std::min(ids, logits.size()));
    const auto index = static_cast<std::int64_t>(lane.result.ids.size());
    if (index >= lane.request->min_new) return lane.sampler->next(logits, index);
    std::vector<float> endless(logits.begin(), logits.end());
    for (const std::int64_t id : lane.request->end_ids) {
      if (id >= 0 && static_cast<std::size_t>(id) < endless.size()) {
        endless[static_cast<std::size_t>(id)] = -std::numeric_limits<float>::infinity();
      }
    }
    return lane.sampler->next(endless, index);
  }

  // The prompt goes through the layers, or what an equal one left is taken.
  ScannedPrompt prefill(std::size_t index) {
    const GenerateRequest& request = requests_[index];
    const EvaluateOptions evaluate = evaluate_options(request);
    const auto length = static_cast<std::int64_t>(request.prompt.size());
    ScannedPrompt prompt;
    if (forked_.request && same_prefill(*forked_.request, request)) {
      prompt.layers = make_sequence(decoder_, *request.policy, evaluate, length + request.max_new,
                                    std::min(options_.block_rows, length));
      load_sequence(StateReader(forked_.state, {}), prompt.layers);
      prompt.logits = forked_.logits;
      prompt.shared_tokens = length;
    } else {
      forked_ = {};
      prompt = scan_prompt(decoder_, request.prompt, request.max_new, *request.policy, evaluate);
    }
    const bool last = index + 1 == requests_.size() || !same_prefill(request, requests_[index + 1]);
    if (last) {
      forked_ = {};
    } else if (!forked_.request) {
      StateWriter state;
      save_sequence(state, prompt.layers);
      forked_ = {&request, state.finish({}), prompt.logits};
    }
    totals_.prompt_tokens += length - prompt.shared_tokens;
    return prompt;
  }

  // A new lane, and the first token of its sample.
  void begin(std::size_t index) {
    const GenerateRequest& request = requests_[index];
    const double started = system_clock().steady_seconds();
    ScannedPrompt prompt = prefill(index);
    auto lane = std::make_unique<Lane>();
    lane->index = index;
    lane->request = &request;
    lane->layers = std::move(prompt.layers);
    lane->attention = make_block_attention(decoder_, 1);
    lane->sampler.emplace(request.sampling, request.sampling_seed);
    lane->position = static_cast<std::int64_t>(request.prompt.size());
    lane->result.shared_tokens = prompt.shared_tokens;
    take(*lane, choose(*lane, prompt.logits));
    lane->result.prefill_seconds = system_clock().steady_seconds() - started;
    totals_.prefill_seconds += lane->result.prefill_seconds;
    lanes_.push_back(std::move(lane));
  }

  // The next token of a lane, and whether it is the last.
  void take(Lane& lane, std::int64_t token) {
    const GenerateRequest& request = *lane.request;
    auto& ids = lane.result.ids;
    lane.token = token;
    const auto& ends = request.end_ids;
    if (std::find(ends.begin(), ends.end(), token) != ends.end()) {
      lane.result.reason = StopReason::kEndId;
      lane.ended = true;
      return;
    }
    ids.push_back(token);
    ++totals_.new_tokens;
    if (request.accept && !request.accept(token)) {
      lane.result.reason = StopReason::kStopped;
      lane.ended = true;
    } else if (static_cast<std::int64_t>(ids.size()) == request.max_new) {
      lane.result.reason = StopReason::kLength;
      lane.ended = true;
    }
  }

  using Lanes = std::span<const std::unique_ptr<Lane>>;

  // Calls body(index, lane) for every lane: in parallel where our own kernels do the work, one
  // after another where LibTorch's operations do, which have their own threads or a device.
  template <typename Body>
  void each(Lanes lanes, const Body& body) const {
    const auto count = static_cast<std::int64_t>(lanes.size());
    const bool own = decoder_.placement().backend == Backend::kHost;
    parallel_rows(count, own ? 1 : count, [&](std::int64_t begin, std::int64_t end) {
      const c10::InferenceMode no_gradients;  // which every thread is told by itself
      for (std::int64_t i = begin; i < end; ++i) body(i, *lanes[static_cast<std::size_t>(i)]);
    });
  }

  // A row of angles for every position; rows beyond the lanes stand at the beginning.
  RotaryTable rotary_of(Lanes lanes, const std::vector<std::int64_t>& positions) const {
    const std::vector<double> all(positions.begin(), positions.end());
    if (decoder_.config().rope.kind != RopeKind::kDynamic) {
      return decoder_.rotary({options_.rope_angles, 0}, all);
    }
    // Every sample has a length of its own, and the base follows from it.
    std::vector<at::Tensor> cos, sin;
    for (std::size_t i = 0; i < all.size(); ++i) {
      const GenerateRequest& request = *lanes[std::min(i, lanes.size() - 1)]->request;
      const auto length = static_cast<std::int64_t>(request.prompt.size()) + request.max_new;
      const RotaryTable row =
          decoder_.rotary({options_.rope_angles, length}, std::span(all).subspan(i, 1));
      cos.push_back(row.cos);
      sin.push_back(row.sin);
    }
    return {at::cat(cos, 0), at::cat(sin, 0)};
  }

  // The newest tokens of at most rows_ lanes through all layers. The rows beyond the lanes are
  // zeros that nobody reads: see StepRows.
  void step(Lanes lanes) {
    std::vector<std::int64_t> ids(static_cast<std::size_t>(rows_), 0);
    std::vector<std::int64_t> positions(ids.size(), 0);
    for (std::size_t i = 0; i < lanes.size(); ++i) {
      ids[i] = lanes[i]->token;
      positions[i] = lanes[i]->position;
    }
    at::Tensor hidden = decoder_.embed(ids, positions);
    const RotaryTable rotary = rotary_of(lanes, positions);
    const auto shape = decoder_.qkv_shape();
    const at::Tensor attended =
        at::zeros({rows_, shape.n_heads * shape.head_dim}, hidden.options());
    for (std::int64_t l = 0; l < decoder_.config().n_layers; ++l) {
      const at::Tensor qkv = decoder_.project_qkv(l, hidden, rotary);
      each(lanes, [&](std::int64_t i, Lane& lane) {
        SequenceLayer& layer = lane.layers[static_cast<std::size_t>(l)];
        lane.attention->run(qkv.narrow(0, i, 1), lane.position, layer.cache, layer.policy,
                            attended.narrow(0, i, 1));
      });
      decoder_.finish_layer(l, hidden, attended);
    }
    const at::Tensor logits = decoder_.logits(hidden).to(at::kCPU, at::kFloat).contiguous();
    const auto vocab = static_cast<std::size_t>(logits.size(1));
    std::vector<std::int64_t> tokens(lanes.size());
    each(lanes, [&](std::int64_t i, Lane& lane) {
      const std::span row(logits.const_data_ptr<float>() + static_cast<std::size_t>(i) * vocab,
                          vocab);
      tokens[static_cast<std::size_t>(i)] = choose(lane, row);
    });
    for (std::size_t i = 0; i < lanes.size(); ++i) {
      ++lanes[i]->position;
      take(*lanes[i], tokens[i]);
    }
  }

  // Lanes that ended give their results and make room.
  void retire() {
    for (auto& lane : lanes_) {
      if (!lane->ended) continue;
      EvaluateResult figures;
      finish_sequence(lane->layers, lane->position, {}, figures);
      lane->result.layers = std::move(figures.layers);
      lane->result.kv_bytes = figures.kv_bytes;
      lane->result.peak_kv_bytes = figures.peak_kv_bytes;
      done_(lane->index, std::move(lane->result));
      lane.reset();
    }
    std::erase(lanes_, nullptr);
  }

  const Decoder& decoder_;
  std::span<const GenerateRequest> requests_;
  const GenerateOptions& options_;
  const GenerateDone& done_;
  std::int64_t rows_;
  std::vector<std::unique_ptr<Lane>> lanes_;
  Prefill forked_;  // of the request before the next, where they are equal
  GenerateTotals totals_;
};

}  // namespace

std::string prompt_and_new(std::int64_t prompt, std::int64_t max_new) {
  return "a prompt of " + std::to_string(prompt) + " tokens and up to " + std::to_string(max_new) +
         " new ones";
}

GenerateTotals decode(const Decoder& decoder, std::span<const GenerateRequest> requests,
                      const GenerateOptions& options, StepRows& rows, const GenerateDone& done) {
  const auto lanes = std::min(options.lanes, static_cast<std::int64_t>(requests.size()));
  return Batch(decoder, requests, options, rows.of(lanes), done).run();
}

}  // namespace lethe::models
