// SPDX-License-Identifier: Apache-2.0
#include "reports/learning_data.h"

#include <algorithm>
#include <array>
#include <set>
#include <tuple>

#include "reports/perplexity_query.h"

namespace lethe::reports {
namespace {

std::string text_or_empty(const json::value& value) {
  return value.is_null() ? "" : std::string(value.as_string());
}

std::optional<double> finite(const json::value& value) {
  // A query spells out what JSON has no number for.
  if (!value.is_double()) return std::nullopt;
  return value.get_double();
}

void read_curves(const store::RunStore& store, TrainingRun& run) {
  const std::array key{json::value(run.key)};
  for (const auto& row :
       store.query("SELECT metric, step, value FROM curves WHERE key = ?1 ORDER BY step", key)
           .rows) {
    Curve& curve = run.curves[std::string(row[0].as_string())];
    if (const auto value = finite(row[2])) {
      curve.points.push_back({static_cast<double>(row[1].as_int64()), *value});
    } else {
      ++curve.not_finite;
    }
  }
  for (const auto& row : store
                             .query("SELECT min(step), stage FROM curves WHERE key = ?1 AND stage "
                                    "<> '' GROUP BY stage ORDER BY min(step)",
                                    key)
                             .rows) {
    run.stages.push_back({static_cast<double>(row[0].as_int64()), std::string(row[1].as_string())});
  }
}

/// Order of metrics: by name, then by length and text of what follows ':' (4 before 16).
auto metric_order(const std::string& metric) {
  const auto colon = std::min(metric.find(':'), metric.size());
  return std::tuple(metric.substr(0, colon), metric.size() - colon, metric.substr(colon));
}

}  // namespace

std::string TrainingGroup::label(const TrainingRun& run) const {
  const auto same_seed = std::count_if(
      runs.begin(), runs.end(), [&](const TrainingRun& other) { return other.seed == run.seed; });
  return "seed " + std::to_string(run.seed) +
         (same_seed > 1 ? " (" + run.key.substr(0, 8) + ")" : "");
}

std::vector<std::string> TrainingGroup::metrics() const {
  std::set<std::string> found;
  for (const TrainingRun& run : runs) {
    for (const auto& [metric, curve] : run.curves) found.insert(metric);
  }
  std::vector<std::string> out(found.begin(), found.end());
  std::sort(out.begin(), out.end(), [](const std::string& a, const std::string& b) {
    return metric_order(a) < metric_order(b);
  });
  return out;
}

std::vector<TrainingGroup> read_trainings(const store::RunStore& store) {
  std::vector<TrainingGroup> groups;
  const auto found = store.query(
      "SELECT kind, name, seed, key, status, reason, last_step, checkpoint_sha256 FROM trainings "
      "ORDER BY kind, name, seed, key");
  for (const auto& row : found.rows) {
    const std::string kind(row[0].as_string()), name(row[1].as_string());
    if (groups.empty() || groups.back().kind != kind || groups.back().name != name) {
      groups.push_back({kind, name, {}});
    }
    TrainingRun run;
    run.seed = row[2].as_int64();
    run.key = std::string(row[3].as_string());
    run.status = store::parse_training_status(std::string(row[4].as_string()));
    run.reason = text_or_empty(row[5]);
    if (!row[6].is_null()) run.last_step = row[6].as_int64();
    run.checkpoint = text_or_empty(row[7]);
    read_curves(store, run);
    groups.back().runs.push_back(std::move(run));
  }
  for (TrainingGroup& group : groups) {
    for (const auto& row : store.query(last_values_sql(group)).rows) {
      if (row[6].is_null()) continue;
      const std::string key(row[5].as_string());
      for (TrainingRun& run : group.runs) {
        if (run.key == key) run.last[std::string(row[6].as_string())] = finite(row[8]);
      }
    }
  }
  return groups;
}

std::string last_values_sql(const TrainingGroup& group) {
  return "WITH ends AS (\n  SELECT key, metric, max(step) AS step FROM curves GROUP BY key, "
         "metric)\n"
         "SELECT t.name, t.seed, t.status, t.last_step, t.checkpoint_sha256, t.key, c.metric, "
         "c.step, c.value\n"
         "FROM trainings t LEFT JOIN ends USING (key)\n"
         "LEFT JOIN curves c ON c.key = t.key AND c.metric = ends.metric AND c.step = ends.step\n"
         "WHERE t.kind = " +
         sql_quote(group.kind) + " AND t.name = " + sql_quote(group.name) +
         "\nORDER BY t.seed, t.key, c.metric";
}

std::string training_origins_sql() {
  return "SELECT DISTINCT p.version, p.git_commit, p.git_dirty, p.compiler, p.build_type,\n"
         "       p.torch_version, p.cpu, p.device, p.threads\n"
         "FROM provenance p JOIN trainings t ON t.provenance_id = p.id\nORDER BY p.id";
}

std::vector<CurvePoint> thinned(const std::vector<CurvePoint>& points, std::size_t neighbours) {
  std::vector<CurvePoint> out;
  for (std::size_t begin = 0; begin < points.size(); begin += neighbours) {
    const std::size_t end = std::min(points.size(), begin + neighbours);
    CurvePoint mean;
    for (std::size_t i = begin; i < end; ++i) {
      mean.step += points[i].step / static_cast<double>(end - begin);
      mean.value += points[i].value / static_cast<double>(end - begin);
    }
    out.push_back(mean);
  }
  return out;
}

}  // namespace lethe::reports
