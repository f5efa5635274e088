// SPDX-License-Identifier: Apache-2.0
#include "harness/store/manifest.h"

#include <array>
#include <bit>
#include <cmath>
#include <cstdio>
#include <string_view>

#include "harness/base/hash.h"
#include "harness/base/json.h"

namespace lethe::store {
namespace {

static_assert(std::endian::native == std::endian::little, "traces are hashed as little-endian");

std::string bits(const json::value& value) {
  if (value.is_null()) return "-";
  // A query spells out what JSON has no number for.
  double number = value.is_string() ? HUGE_VAL : value.to_number<double>();
  if (value.is_string() && value.get_string().starts_with('-')) number = -number;
  char text[17];
  std::snprintf(text, sizeof text, "%016llx",
                static_cast<unsigned long long>(std::bit_cast<std::uint64_t>(number)));
  return text;
}

std::string trace_sha256(const RunStore& store, const std::string& sample_key) {
  const auto trace = store.read_nll_trace(sample_key);
  if (trace.empty()) return "-";
  return sha256_hex(
      {reinterpret_cast<const char*>(trace.data()), trace.size() * sizeof(trace.front())});
}

/// SHA-256 over the samples of a cell; adds to `count`.
std::string results_sha256(const RunStore& store, const std::string& cell_key,
                           std::int64_t& count) {
  const auto found = store.query(
      "SELECT sample_key, nll_sum, score, output FROM sample "
      "WHERE cell_id = (SELECT id FROM cell WHERE key = ?1) ORDER BY sample_key",
      std::array{json::value(cell_key)});
  Sha256 hash;
  for (const auto& row : found.rows) {
    const std::string key(row[0].as_string());
    hash.update(key + " " + bits(row[1]) + " " + bits(row[2]) + " " +
                sha256_hex(std::string(row[3].as_string())) + " " + trace_sha256(store, key) +
                "\n");
  }
  count += static_cast<std::int64_t>(found.rows.size());
  return hash.hex();
}

}  // namespace

Manifest make_manifest(const RunStore& store, const std::optional<std::string>& suite) {
  std::string sql = "SELECT key, inputs FROM cell";
  std::vector<json::value> parameters;
  if (suite) {
    sql += " WHERE id IN (SELECT cell_id FROM suite_cell WHERE suite = ?1)";
    parameters.emplace_back(*suite);
  }
  const auto found = store.query(sql + " ORDER BY key", parameters);
  Manifest manifest;
  json::array cells;
  for (const auto& row : found.rows) {
    std::int64_t samples = 0;
    const std::string results = results_sha256(store, std::string(row[0].as_string()), samples);
    cells.push_back(
        {{"inputs", row[1]}, {"key", row[0]}, {"results", results}, {"samples", samples}});
    manifest.samples += samples;
  }
  manifest.cells = static_cast<std::int64_t>(cells.size());
  manifest.text =
      canonical_json(json::object{{"cells", std::move(cells)}, {"format", "lethe-manifest-1"}});
  manifest.sha256 = sha256_hex(manifest.text);
  return manifest;
}

}  // namespace lethe::store
