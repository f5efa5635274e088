// SPDX-License-Identifier: Apache-2.0
// Rows with plausible contents for the tests of the store.
#pragma once

#include <string>

#include "harness/base/hash.h"
#include "harness/store/run_store.h"

namespace lethe::test {

inline store::CellRecord make_cell(const std::string& name, std::int64_t samples = 2) {
  return {.key = sha256_hex(name),
          .suite = "quick",
          .task = "pg19",
          .model = "tiny",
          .policy = "tova",
          .budget = 64,
          .schedule = "exact",
          .positions = "original",
          .length = 128,
          .dtype = "float32",
          .kv_dtype = "same",
          .seed = 0,
          .inputs = R"({"model":"tiny","name":")" + name + R"("})",
          .n_samples = samples};
}

inline store::SampleRow make_sample(const store::CellRecord& cell, std::int64_t provenance,
                                    const std::string& id, const std::string& cluster,
                                    double nll_sum, std::int64_t tokens) {
  store::SampleRow row{cell.key, provenance, {}};
  row.record.sample_key = sha256_hex(cell.key + id);
  row.record.sample_id = id;
  row.record.sample_hash = sha256_hex(id);
  row.record.cluster = cluster;
  row.record.tokens_in = tokens + 1;
  row.record.tokens_scored = tokens;
  row.record.nll_sum = nll_sum;
  row.record.nll_trace = {1.5F, -0.0F, 3.25F};
  row.record.tokens_seen = tokens + 1;
  row.record.tokens_evicted = 7;
  row.record.kept_min = row.record.kept_max = 64;
  row.record.layers = "[]";
  row.record.kv_bytes = 1000;
  row.record.peak_bytes = 1200;
  row.record.seconds = 0.5;
  return row;
}

inline store::ProvenanceRecord make_provenance() {
  return {.created_at = "2026-01-02T03:04:05Z",
          .version = "0.1.0",
          .git_commit = "unknown",
          .compiler = "GNU",
          .flags = "-O0",
          .build_type = "Debug",
          .torch_version = "2.15.0",
          .cpu = "some",
          .device = "cpu",
          .threads = 2,
          .host = "here",
          .kernel = "Linux 6",
          .command = "lethe run quick",
          .suite_sha256 = "00"};
}

}  // namespace lethe::test
