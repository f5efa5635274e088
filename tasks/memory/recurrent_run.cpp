// SPDX-License-Identifier: Apache-2.0
#include "tasks/memory/recurrent_run.h"

#include <algorithm>
#include <optional>

#include "harness/base/clock.h"
#include "harness/base/machine.h"
#include "harness/base/state_file.h"
#include "policies/rmt.h"

namespace lethe::tasks {
namespace {

/// Where a batch is: what a kill must not lose.
struct Position {
  std::int64_t segment = 0;  ///< the next to read
  double seconds = 0;        ///< of earlier runs
  models::RecurrentMemory memory;
};

std::string identity_of(const models::StateKeeper& keeper, std::span<const RecurrentSample> batch) {
  std::string ids = keeper.owner();
  for (const RecurrentSample& sample : batch) ids += " " + sample.id;
  return ids;
}

std::optional<Position> resumed(models::StateKeeper& keeper, std::span<const RecurrentSample> batch,
                                const models::RecurrentMemory& shape) {
  const auto bytes = keeper.load();
  if (!bytes) return std::nullopt;
  try {
    const StateReader state(*bytes, identity_of(keeper, batch));
    Position position{state.get_value<std::int64_t>("segment"),
                      state.get_value<double>("seconds"),
                      {shape.batch, shape.rows, state.get<double>("memory")}};
    if (position.memory.values.size() == shape.values.size() && position.segment >= 0 &&
        position.segment < batch.front().own->segments()) {
      return position;
    }
    keeper.refused("it is of another shape");
  } catch (const Error& error) {
    keeper.refused(error.what());
  }
  return std::nullopt;
}

void save(models::StateKeeper& keeper, std::span<const RecurrentSample> batch,
          const Position& position, double seconds) {
  StateWriter state;
  state.put_value("segment", position.segment);
  state.put_value("seconds", seconds);
  state.put("memory", position.memory.values);
  keeper.save(state.finish(identity_of(keeper, batch)));
}

}  // namespace

SampleOutcome judged(const SegmentSource& sample, std::span<const std::string> classes,
                     std::span<const double> logits) {
  const auto best = static_cast<std::size_t>(std::ranges::max_element(logits) - logits.begin());
  const auto segments = sample.fact_segments();
  const auto answer = static_cast<std::size_t>(sample.answer());
  SampleOutcome outcome;
  outcome.output =
      json::serialize(json::object{{"answer", classes[answer]},
                                   {"predicted", classes[best]},
                                   {"segments", sample.segments()},
                                   {"fact_segments", json::array(segments.begin(), segments.end())},
                                   {"classes", classes.size()},
                                   {"logits", json::array(logits.begin(), logits.end())},
                                   {"resident_bytes", resident_bytes()}});
  outcome.score = best == answer ? 1.0 : 0.0;
  return outcome;
}

RecurrentRun::RecurrentRun(const models::RecurrentModel& model, const RunSettings& settings)
    : model_(model), settings_(settings) {}

void RecurrentRun::samples(std::span<const RecurrentSample> batch, const SampleHooks& hooks) const {
  using policies::MemoryUse;
  const MemoryUse use = policies::memory_use(settings_.policy);
  const auto count = static_cast<std::int64_t>(batch.size());
  const SegmentSource& shape = *batch.front().own;
  const std::int64_t segments = shape.segments(), tokens = shape.segment_tokens();
  models::RecurrentMemory initial = model_.initial(count);
  if (use == MemoryUse::kNone) initial = {count, 0, {}};
  Position position{0, 0, initial};
  models::StateKeeper* keeper = hooks.keeper(batch.front().id);
  if (keeper) {
    if (auto found = resumed(*keeper, batch, initial)) position = std::move(*found);
  }
  const double began = system_clock().steady_seconds() - position.seconds;
  std::vector<std::int64_t> ids(static_cast<std::size_t>(count * tokens));
  std::vector<double> logits;
  while (position.segment < segments) {
    const bool last = position.segment == segments - 1;
    for (std::size_t i = 0; i < batch.size(); ++i) {
      const bool stranger = use == MemoryUse::kShuffled && !last;
      (stranger ? batch[i].other : batch[i].own)
          ->fill(position.segment, std::span(ids).subspan(i * static_cast<std::size_t>(tokens),
                                                          static_cast<std::size_t>(tokens)));
    }
    if (use == MemoryUse::kReset) position.memory = initial;
    if (last) {
      logits = model_.classify(ids, position.memory);
    } else {
      model_.read(ids, position.memory);
    }
    ++position.segment;
    if (settings_.evaluate.progress) settings_.evaluate.progress(position.segment * tokens * count);
    if (keeper && !last && keeper->due()) {
      save(*keeper, batch, position, system_clock().steady_seconds() - began);
    }
  }
  const double seconds = (system_clock().steady_seconds() - began) / static_cast<double>(count);
  const std::int64_t kept = initial.rows, text = segments * tokens;
  const std::int64_t bytes = use == MemoryUse::kNone ? 0 : model_.memory_bytes();
  const std::size_t classes = logits.size() / batch.size();
  for (std::size_t i = 0; i < batch.size(); ++i) {
    SampleOutcome outcome = judged(*batch[i].own, model_.recurrent().labels,
                                   std::span(logits).subspan(i * classes, classes));
    outcome.tokens_in = text;
    outcome.kv_bytes = bytes;
    outcome.peak_kv_bytes = bytes;
    outcome.seconds = seconds;
    // One state for the whole model: no token is kept, the memory's vectors are.
    models::LayerStats state;
    state.seen = text;
    state.evicted = text;
    state.kept_min = state.kept_max = kept;
    state.live_bytes = state.peak_live_bytes = state.allocated_bytes = bytes;
    outcome.layers = {state};
    hooks.done(batch[i].id, std::move(outcome));
  }
}

}  // namespace lethe::tasks
