// SPDX-License-Identifier: Apache-2.0
// The messages of coordinator and worker as frames. Internal to this room.
//
// To the worker:   {"type": "job", "job"}, {"type": "stop"}
// From the worker: {"type": "hello", "provenance"}, {"type": "progress", "tokens"},
//                  {"type": "sample", "cell", "record"} + blob, {"type": "finished", "cell",
//                  "outcome", "kind", "text"}
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "harness/base/error.h"
#include "harness/runner/framing.h"
#include "harness/runner/job.h"
#include "harness/store/records.h"

namespace lethe::runner {

/// How a job ended in the worker.
struct JobOutcome {
  enum class Result { kDone, kStopped, kFailed, kOom };
  std::string cell_key;
  Result result = Result::kDone;
  ErrorKind kind = ErrorKind::kInternal;  ///< for kFailed and kOom
  std::string message;
};

Frame job_frame(const Job& job);
Frame stop_frame();
Frame hello_frame(const store::ProvenanceRecord& provenance);
Frame progress_frame(std::int64_t tokens);
/// Doubles travel as their bits, output and trace in the blob: everything arrives exactly.
Frame sample_frame(const std::string& cell_key, const store::SampleRecord& record);
Frame outcome_frame(const JobOutcome& outcome);

/// The "type" of a message. The readers below expect the frame of their type; they and this throw
/// Error(kInternal) on a message that is not what it should be.
std::string frame_type(const Frame& frame);
Job read_job(const Frame& frame);
store::ProvenanceRecord read_hello(const Frame& frame);
std::int64_t read_progress(const Frame& frame);
struct SampleMessage {
  std::string cell_key;
  store::SampleRecord record;
};
SampleMessage read_sample(const Frame& frame);
JobOutcome read_outcome(const Frame& frame);

/// `text` with bytes that are not UTF-8 and control characters replaced by '?', at most `limit`
/// bytes.
std::string printable(std::string_view text, std::size_t limit);

}  // namespace lethe::runner
