// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <iostream>
#include <optional>

#include "harness/base/error.h"
#include "harness/base/seed.h"
#include "harness/base/text.h"
#include "harness/cli/commands/commands.h"
#include "harness/cli/models.h"
#include "models/rmt/recurrent_model.h"
#include "models/tokenizer/tokenizer.h"
#include "reports/heat_map.h"
#include "reports/plot.h"
#include "tasks/memory/fact_task.h"

namespace lethe::cli {

namespace {

namespace fs = std::filesystem;

/// Words around a fact or question, and which part of the text they are.
struct Excerpt {
  std::string name, title;
  std::int64_t segment = 0;
  std::int64_t first = 0, count = 0;  ///< text tokens that get a column of their own
};

/// Fact, a segment after it without one, and question; the middle one where there is such a
/// segment.
std::vector<Excerpt> excerpts(const tasks::FactSample& sample) {
  const auto spans = sample.spans();
  const auto around = [&](const tasks::FactSample::Span& span, std::int64_t more) {
    const std::int64_t first = std::max<std::int64_t>(0, span.offset - more);
    const std::int64_t end = std::min(sample.segment_tokens(), span.offset + span.tokens + more);
    return std::pair(first, end - first);
  };
  const auto& fact = spans.front();
  const auto& question = spans.back();
  const auto [fact_first, fact_count] = around(fact, 3);
  std::vector<Excerpt> all{
      {"write", "the segment with the fact", fact.segment, fact_first, fact_count}};
  const auto facts = sample.fact_segments();
  const auto holds = [&](std::int64_t segment) {
    return std::ranges::find(facts, segment) != facts.end();
  };
  for (std::int64_t s = fact.segment + 1; s < question.segment; ++s) {
    if (holds(s)) continue;
    all.push_back({"keep", "a segment without", s, 0, 0});
    break;
  }
  const auto [question_first, question_count] = around(question, 3);
  all.push_back({"read", "the last segment, with the question", question.segment, question_first,
                 question_count});
  return all;
}

/// A map with the columns of an excerpt.
reports::HeatMap heat_map(const models::AttentionMap& map, const Excerpt& excerpt,
                          std::optional<std::int64_t> head, std::int64_t memory,
                          std::span<const std::int64_t> ids, const models::Tokenizer& tokenizer) {
  reports::HeatMap out;
  out.name = excerpt.name;
  out.title = "Segment " + std::to_string(excerpt.segment + 1) + ": " + excerpt.title;
  out.x_label = "attended to";
  out.y_label = "attends";
  for (std::int64_t i = 0; i < memory; ++i) out.columns.push_back("m" + std::to_string(i + 1));
  for (std::int64_t i = 0; i < excerpt.count; ++i) {
    out.columns.push_back(
        tokenizer.decode_text({ids[static_cast<std::size_t>(excerpt.first + i)]}, false));
  }
  out.columns.push_back("rest");
  out.columns.push_back("special");
  // Place of the first text token, after [CLS] memory [SEP], or [CLS] alone where there is none.
  const std::int64_t text = memory > 0 ? memory + 2 : 1;
  const auto weight = [&](std::int64_t row, std::int64_t column) {
    double sum = 0;
    for (std::int64_t h = head.value_or(0); h < (head ? *head + 1 : map.heads); ++h) {
      sum += map.values[static_cast<std::size_t>((h * map.rows + row) * map.tokens + column)];
    }
    return sum / static_cast<double>(head ? 1 : map.heads);
  };
  reports::HeatMap::Panel panel;
  for (std::int64_t row = 0; row <= memory; ++row) {
    out.rows.push_back(row == 0 ? "[CLS]" : "m" + std::to_string(row));
    auto& values = panel.rows.emplace_back();
    double shown = 0, all_text = 0;
    for (std::int64_t i = 0; i < memory; ++i) values.emplace_back(weight(row, 1 + i));
    for (std::int64_t i = 0; i < static_cast<std::int64_t>(ids.size()); ++i) {
      all_text += weight(row, text + i);
    }
    for (std::int64_t i = 0; i < excerpt.count; ++i) {
      values.emplace_back(weight(row, text + excerpt.first + i));
      shown += *values.back();
    }
    values.emplace_back(all_text - shown);
    values.emplace_back(weight(row, 0) + (memory > 0 ? weight(row, text - 1) : 0) +
                        weight(row, map.tokens - 1));
  }
  out.panels.push_back(std::move(panel));
  return out;
}

json::object numbers(const reports::HeatMap& map, const Excerpt& excerpt) {
  json::array rows;
  for (const auto& row : map.panels.front().rows) {
    json::array values;
    for (const auto& value : row) values.emplace_back(*value);
    rows.push_back(std::move(values));
  }
  return {{"name", map.name},
          {"segment", excerpt.segment},
          {"columns", json::array(map.columns.begin(), map.columns.end())},
          {"rows", json::array(map.rows.begin(), map.rows.end())},
          {"weights", std::move(rows)}};
}

std::string trained_task(const models::RecurrentConfig& config) {
  const auto* task = config.training.if_contains("task");
  return task && task->is_string() ? std::string(task->get_string()) : "detect";
}

}  // namespace

int run_attention(const Options& options) {
  const auto resolved = resolve_model(options.text("model", "rmt-detect-1"));
  const auto model = models::load_recurrent_model(resolved.path, models::DType::kFloat32);
  const auto tokenizer = models::open_tokenizer(resolved.path);
  const auto& config = model->config();
  if (config.relative_clip == 0) {
    throw Error(
        ErrorKind::kModel,
        resolved.name +
            ": its attention goes through LibTorch's fused product, which gives no "
            "weights; expected an encoder with relative biases, as `lethe train rmt` makes");
  }
  const std::int64_t memory = model->recurrent().memory_tokens;
  const auto layer = options.integer("layer", config.n_layers - 1, 0, config.n_layers - 1);
  std::optional<std::int64_t> head;
  if (options.has("head")) head = options.integer("head", 0, 0, config.n_heads - 1);
  tasks::FactOptions facts;
  facts.task = tasks::parse_fact_task(options.text("task", trained_task(model->recurrent())));
  facts.segment_tokens = options.integer("segment", model->recurrent().segment_tokens, 1,
                                         model->recurrent().segment_tokens);
  const auto noise =
      tasks::word_noise(*tokenizer, tasks::FactGenerator::confuser_ids(facts.task, *tokenizer),
                        options.number("confusers", 0.0005));
  const tasks::FactGenerator generator(facts, *tokenizer, noise);
  const auto seed =
      derive_seed(static_cast<std::uint64_t>(options.integer("sample", 0, 0)), "attention");
  const auto sample = generator.sample(seed, options.integer("segments", 4, 1, 1 << 15));

  const fs::path out = options.text("out", "attention");
  std::error_code ec;
  fs::create_directories(out, ec);
  const auto wanted = excerpts(sample);
  models::RecurrentMemory state = model->initial(1);
  std::vector<std::int64_t> ids(static_cast<std::size_t>(sample.segment_tokens()));
  json::array maps;
  for (std::int64_t s = 0; s < sample.segments(); ++s) {
    sample.fill(s, ids);
    const auto attention = model->attention(ids, state);
    for (const Excerpt& excerpt : wanted) {
      if (excerpt.segment != s) continue;
      const auto map = heat_map(attention[static_cast<std::size_t>(layer)], excerpt, head, memory,
                                ids, *tokenizer);
      reports::draw_script(map.name, reports::heat_map_script(map), out);
      maps.push_back(numbers(map, excerpt));
    }
  }
  const json::object all{{"model", resolved.name},
                         {"weights_sha256", resolved.weights_sha256},
                         {"task", tasks::to_string(facts.task)},
                         {"segments", sample.segments()},
                         {"layer", layer},
                         {"answer", tasks::kPlaces[static_cast<std::size_t>(sample.answer())]},
                         {"maps", std::move(maps)}};
  write_file_atomically(out / "attention.json", json::serialize(all) + "\n");
  for (const Excerpt& excerpt : wanted) {
    std::cout << excerpt.title << ": " << (out / (excerpt.name + ".svg")).string() << '\n';
  }
  std::cout << "numbers: " << (out / "attention.json").string() << '\n';
  return kExitOk;
}

}  // namespace lethe::cli
