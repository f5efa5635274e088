// SPDX-License-Identifier: Apache-2.0
#include "harness/runner/wire.h"

#include <bit>
#include <cstring>

#include "harness/base/text.h"

namespace lethe::runner {
namespace {

using store::ProvenanceRecord;
using store::SampleRecord;

constexpr const char* kWhere = "message between processes";

ObjectReader reader(const json::value& value) {
  return ObjectReader(value, kWhere, ErrorKind::kInternal);
}

const json::value& member(const Frame& frame, const char* name) {
  if (const auto* value = frame.message.if_contains(name)) return *value;
  throw Error(ErrorKind::kInternal, std::string(kWhere) + ": member '" + name + "' is missing");
}

std::string text_member(const Frame& frame, const char* name) {
  const auto& value = member(frame, name);
  if (value.is_string()) return std::string(value.get_string());
  throw Error(ErrorKind::kInternal, std::string(kWhere) + ": " + name +
                                        ": expected a string, found " +
                                        std::string(describe_type(value)));
}

json::object object_member(ObjectReader& from, const char* name) {
  const auto& value = from.at(name);
  if (value.is_object()) return value.get_object();
  throw Error(ErrorKind::kInternal, from.where(name) + ": expected an object");
}

// JSON readers may round a double by its last bit; its bits as an integer survive.
json::value bits(double value) {
  return std::bit_cast<std::int64_t>(value);
}

json::value bits(const std::optional<double>& value) {
  return value ? bits(*value) : json::value();
}

double double_of(ObjectReader& from, const char* name) {
  return std::bit_cast<double>(from.integer(name));
}

std::optional<double> optional_of(ObjectReader& from, const char* name) {
  if (from.at(name).is_null()) return std::nullopt;
  return double_of(from, name);
}

}  // namespace

std::string frame_type(const Frame& frame) {
  return text_member(frame, "type");
}

Frame job_frame(const Job& job) {
  json::array samples;
  for (const auto& sample : job.samples) {
    samples.push_back(json::object{{"id", sample.id},
                                   {"key", sample.key},
                                   {"hash", sample.hash},
                                   {"cluster", sample.cluster}});
  }
  return {{{"type", "job"},
           {"job", json::object{{"cell_key", job.cell_key},
                                {"label", job.label},
                                {"model_path", job.model_path},
                                {"inputs", job.inputs},
                                {"task_options", job.task_options},
                                {"state_dir", job.state_dir},
                                {"state_seconds", job.state_seconds},
                                {"samples", std::move(samples)}}}},
          {}};
}

Job read_job(const Frame& frame) {
  ObjectReader from = reader(member(frame, "job"));
  Job job;
  job.cell_key = from.string("cell_key");
  job.label = from.string("label");
  job.model_path = from.string("model_path");
  job.inputs = object_member(from, "inputs");
  job.task_options = object_member(from, "task_options");
  job.state_dir = from.string("state_dir");
  job.state_seconds = from.number("state_seconds");
  for (const auto& item : from.array("samples")) {
    ObjectReader sample = reader(item);
    job.samples.push_back({sample.string("id"), sample.string("key"), sample.string("hash"),
                           sample.string("cluster")});
  }
  return job;
}

Frame stop_frame() {
  return {{{"type", "stop"}}, {}};
}

Frame hello_frame(const ProvenanceRecord& provenance) {
  return {{{"type", "hello"},
           {"provenance", json::object{{"version", provenance.version},
                                       {"git_commit", provenance.git_commit},
                                       {"git_dirty", provenance.git_dirty},
                                       {"compiler", provenance.compiler},
                                       {"flags", provenance.flags},
                                       {"build_type", provenance.build_type},
                                       {"torch_version", provenance.torch_version},
                                       {"cpu", provenance.cpu},
                                       {"device", provenance.device},
                                       {"kernel", provenance.kernel},
                                       {"threads", provenance.threads}}}},
          {}};
}

ProvenanceRecord read_hello(const Frame& frame) {
  ObjectReader from = reader(member(frame, "provenance"));
  ProvenanceRecord out;
  out.version = from.string("version");
  out.git_commit = from.string("git_commit");
  out.git_dirty = from.boolean("git_dirty", false);
  out.compiler = from.string("compiler");
  out.flags = from.string("flags");
  out.build_type = from.string("build_type");
  out.torch_version = from.string("torch_version");
  out.cpu = from.string("cpu");
  out.device = from.string("device");
  out.kernel = from.string("kernel");
  out.threads = static_cast<int>(from.integer("threads"));
  return out;
}

Frame progress_frame(std::int64_t tokens) {
  return {{{"type", "progress"}, {"tokens", tokens}}, {}};
}

std::int64_t read_progress(const Frame& frame) {
  const auto& tokens = member(frame, "tokens");
  return tokens.is_int64() ? tokens.get_int64() : 0;
}

Frame sample_frame(const std::string& cell_key, const SampleRecord& record) {
  json::object out{{"sample_key", record.sample_key},
                   {"sample_id", record.sample_id},
                   {"sample_hash", record.sample_hash},
                   {"cluster", record.cluster},
                   {"tokens_in", record.tokens_in},
                   {"tokens_cut", record.tokens_cut},
                   {"tokens_shared", record.tokens_shared},
                   {"bos_count", record.bos_count},
                   {"tokens_scored", record.tokens_scored},
                   {"nll_sum", bits(record.nll_sum)},
                   {"score", bits(record.score)},
                   {"output_bytes", static_cast<std::int64_t>(record.output.size())},
                   {"tokens_seen", record.tokens_seen},
                   {"tokens_evicted", record.tokens_evicted},
                   {"kept_min", record.kept_min},
                   {"kept_max", record.kept_max},
                   {"layers", record.layers},
                   {"kv_bytes", record.kv_bytes},
                   {"peak_bytes", record.peak_bytes},
                   {"ttft_ms", bits(record.ttft_ms)},
                   {"prefill_tokens_per_s", bits(record.prefill_tokens_per_s)},
                   {"decode_tokens_per_s", bits(record.decode_tokens_per_s)},
                   {"seconds", bits(record.seconds)}};
  std::string blob = record.output;
  blob.append(reinterpret_cast<const char*>(record.nll_trace.data()),
              record.nll_trace.size() * sizeof(float));
  return {{{"type", "sample"}, {"cell", cell_key}, {"record", std::move(out)}}, std::move(blob)};
}

SampleMessage read_sample(const Frame& frame) {
  ObjectReader from = reader(member(frame, "record"));
  SampleMessage out{text_member(frame, "cell"), {}};
  SampleRecord& record = out.record;
  record.sample_key = from.string("sample_key");
  record.sample_id = from.string("sample_id");
  record.sample_hash = from.string("sample_hash");
  record.cluster = from.string("cluster");
  record.tokens_in = from.integer("tokens_in");
  record.tokens_cut = from.integer("tokens_cut");
  record.tokens_shared = from.integer("tokens_shared");
  record.bos_count = from.integer("bos_count");
  record.tokens_scored = from.integer("tokens_scored");
  record.nll_sum = optional_of(from, "nll_sum");
  record.score = optional_of(from, "score");
  record.tokens_seen = from.integer("tokens_seen");
  record.tokens_evicted = from.integer("tokens_evicted");
  record.kept_min = from.integer("kept_min");
  record.kept_max = from.integer("kept_max");
  record.layers = from.string("layers");
  record.kv_bytes = from.integer("kv_bytes");
  record.peak_bytes = from.integer("peak_bytes");
  record.ttft_ms = optional_of(from, "ttft_ms");
  record.prefill_tokens_per_s = optional_of(from, "prefill_tokens_per_s");
  record.decode_tokens_per_s = optional_of(from, "decode_tokens_per_s");
  record.seconds = double_of(from, "seconds");
  const std::int64_t output = from.integer("output_bytes");
  const auto size = static_cast<std::int64_t>(frame.blob.size());
  if (output < 0 || output > size || (size - output) % static_cast<std::int64_t>(sizeof(float))) {
    throw Error(ErrorKind::kInternal, std::string(kWhere) + ": a blob of " + std::to_string(size) +
                                          " bytes with " + std::to_string(output) + " of output");
  }
  const auto split = static_cast<std::size_t>(output);
  record.output = frame.blob.substr(0, split);
  record.nll_trace.resize((frame.blob.size() - split) / sizeof(float));
  if (!record.nll_trace.empty()) {
    std::memcpy(record.nll_trace.data(), frame.blob.data() + split, frame.blob.size() - split);
  }
  return out;
}

Frame outcome_frame(const JobOutcome& outcome) {
  return {{{"type", "finished"},
           {"cell", outcome.cell_key},
           {"outcome", static_cast<int>(outcome.result)},
           {"kind", static_cast<int>(outcome.kind)},
           {"text", printable(outcome.message, 4000)}},
          {}};
}

JobOutcome read_outcome(const Frame& frame) {
  const json::value message = frame.message;
  ObjectReader from = reader(message);
  JobOutcome out;
  out.cell_key = from.string("cell");
  const std::int64_t result = from.integer("outcome");
  if (result < 0 || result > static_cast<std::int64_t>(JobOutcome::Result::kOom)) {
    throw Error(ErrorKind::kInternal, from.where("outcome") + ": " + std::to_string(result));
  }
  out.result = static_cast<JobOutcome::Result>(result);
  out.kind = static_cast<ErrorKind>(from.integer("kind"));
  out.message = from.string("text");
  return out;
}

std::string printable(std::string_view text, std::size_t limit) {
  std::string out(text.substr(0, limit));
  for (auto& letter : out) {
    const auto byte = static_cast<unsigned char>(letter);
    if (byte == 127 || (byte < 32 && letter != '\n' && letter != '\t')) letter = '?';
  }
  while (const auto at = first_invalid_utf8(out)) out[*at] = '?';
  return out;
}

}  // namespace lethe::runner
