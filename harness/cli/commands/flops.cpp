// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <filesystem>
#include <iostream>
#include <optional>

#include "harness/base/error.h"
#include "harness/base/names.h"
#include "harness/base/spec.h"
#include "harness/base/text.h"
#include "harness/cli/commands/commands.h"
#include "harness/cli/flops_study.h"
#include "harness/cli/output.h"
#include "harness/cli/queries.h"
#include "harness/cli/root.h"
#include "harness/grid/axes.h"
#include "harness/store/run_store.h"
#include "reports/numbers.h"

namespace lethe::cli {

namespace {

namespace fs = std::filesystem;
using models::FlopsShape;

constexpr std::int64_t kLargestSize = 10'000'000;

bool is_opt(const std::string& name) {
  const auto& shapes = models::opt_shapes();
  return std::any_of(shapes.begin(), shapes.end(),
                     [&](const FlopsShape& shape) { return shape.name == name; });
}

/// "NAME:layers=12,width=768,heads=12[,ffn=3072][,vocabulary=50272]".
FlopsShape parse_shape(const std::string& text) {
  const std::string where = "--shape '" + text + "'";
  const Spec spec = Spec::parse(text, ErrorKind::kUsage);
  spec.check_known(std::vector<std::string>{"layers", "width", "heads", "ffn", "vocabulary"},
                   ErrorKind::kUsage);
  for (const auto* needed : {"layers", "width", "heads"}) {
    if (!spec.find(needed)) {
      throw Error(ErrorKind::kUsage, where + ": " + needed +
                                         " is missing; expected "
                                         "NAME:layers=N,width=N,heads=N[,ffn=N][,vocabulary=N]");
    }
  }
  if (is_opt(spec.name)) {
    throw Error(ErrorKind::kUsage,
                where + ": " + spec.name + " is a size of OPT; give the shape another name");
  }
  const auto size = [&](std::string_view key, std::int64_t fallback) {
    return spec.integer(key, fallback, 1, kLargestSize, ErrorKind::kUsage);
  };
  FlopsShape shape;
  shape.name = spec.name;
  shape.layers = size("layers", 0);
  shape.width = size("width", 0);
  shape.heads = size("heads", 0);
  shape.ffn_width = size("ffn", 4 * shape.width);
  shape.vocabulary = size("vocabulary", models::opt_shapes().front().vocabulary);
  return shape;
}

std::vector<FlopsShape> shapes_of(const Options& options) {
  std::vector<FlopsShape> shapes;
  const auto given = options.all("shape");
  const std::string models = options.text("model", given.empty() ? "figure" : "");
  std::vector<std::string> known{"all", "figure"};
  for (const FlopsShape& shape : models::opt_shapes()) known.push_back(shape.name);
  for (const auto& name : models.empty() ? std::vector<std::string>{} : split(models, ',')) {
    if (std::find(known.begin(), known.end(), name) == known.end()) {
      throw unknown_name(ErrorKind::kUsage, "--model", name, known);
    }
    for (const FlopsShape& shape : models::opt_shapes()) {
      if (name == "all" || name == shape.name || (name == "figure" && in_figure_3(shape))) {
        shapes.push_back(shape);
      }
    }
  }
  for (const auto& text : given) shapes.push_back(parse_shape(text));
  for (std::size_t i = 0; i < shapes.size(); ++i) {
    for (std::size_t j = 0; j < i; ++j) {
      if (shapes[i].name == shapes[j].name) {
        throw Error(ErrorKind::kUsage, "'" + shapes[i].name + "' is asked for twice");
      }
    }
  }
  return shapes;
}

std::vector<std::int64_t> lengths_of(const Options& options) {
  const auto given = options.find("lengths");
  if (!given) return models::figure_3_lengths();
  json::array items;
  for (const auto& part : split(*given, ',')) {
    const auto number = parse_integer(part);
    items.push_back(number ? json::value(*number) : json::value(part));
  }
  grid::Axes axes;
  grid::read_axis(grid::Axis::kLengths, items, "--lengths", axes);
  std::sort(axes.lengths.begin(), axes.lengths.end());
  return axes.lengths;
}

/// Time and memory of what a database holds.
std::optional<store::QueryResult> measured(const Options& options) {
  if (!options.has("db")) return std::nullopt;
  const auto store = store::RunStore::open(options.text("db"), store::OpenMode::kReadOnly);
  return store.query(saved_query("cost-by-length").sql);
}

std::vector<fs::path> draw_figures(const FlopsPlan& plan, const fs::path& folder) {
  std::error_code ec;
  fs::create_directories(folder, ec);
  if (ec) throw Error(ErrorKind::kStore, folder.string() + ": " + ec.message());
  std::vector<fs::path> files;
  for (const auto& figure : flops_figures(plan)) {
    for (auto& path : reports::draw(figure, folder)) files.push_back(std::move(path));
  }
  return files;
}

std::string rendered(const FlopsPlan& plan, const FlopsCheck& check,
                     const std::optional<store::QueryResult>& rows,
                     const std::vector<fs::path>& files, const std::string& format) {
  if (format == "csv") return reports::to_csv(flops_table(plan, check, NumberStyle::kExact));
  if (format == "json") {
    json::object out = flops_json(plan, check);
    if (rows) out["measured"] = objects_of(*rows);
    json::array written;
    for (const auto& file : files) written.push_back(json::value(file.string()));
    out["files"] = std::move(written);
    return json::serialize(out) + "\n";
  }
  const auto text_of = format == "md" ? reports::to_markdown : reports::to_plain_text;
  std::string out =
      text_of(flops_table(plan, check, NumberStyle::kShort)) + "\n" + summary_of(check);
  if (rows) {
    reports::Table table = table_of(*rows);
    table.caption = "Measured: " + reports::counted(rows->rows.size(), "row") +
                    " of model, policy and length (samples of all seeds)";
    out += "\n" + text_of(table);
  }
  return out;
}

int run(const Options& options) {
  options.choice("WHAT", "rmt", {"rmt"});
  const auto format = options.choice("format", options.has("json") ? "json" : "table",
                                     {"table", "csv", "json", "md"});
  if (format == "csv" && options.has("db")) {
    throw Error(
        ErrorKind::kUsage,
        "a CSV file holds one table: expected another format with --db; `lethe query --saved "
        "cost-by-length --format csv` writes the measured one");
  }
  FlopsPlan plan;
  plan.shapes = shapes_of(options);
  plan.lengths = lengths_of(options);
  plan.segment.tokens = options.integer("segment", models::kFigure3Segment, 1, kLargestSize);
  plan.segment.memory = options.integer("memory", 10, 0, kLargestSize);
  const FlopsCheck check = check_figure_3(
      reports::read_published(root_folder() / "data/published/rmt-figure3-flops.json"));
  const auto rows = measured(options);
  std::vector<fs::path> files;
  if (const auto folder = options.find("plot")) files = draw_figures(plan, *folder);
  const std::string text = rendered(plan, check, rows, files, format);
  if (const auto file = options.find("out")) {
    write_file_atomically(*file, text);
    files.emplace_back(*file);
  } else {
    std::cout << text << std::flush;
  }
  for (const auto& file : files) std::cerr << "wrote " << file.string() << '\n';
  if (const auto missed = check.missed(); !missed.empty()) {
    std::cerr << "lethe: " << reports::counted(missed.size(), "published figure")
              << " not met by the formula\n";
    return kExitOutsideTolerance;
  }
  return kExitOk;
}

}  // namespace

Command flops_command() {
  CommandSpec spec;
  spec.name = "flops";
  spec.summary = "what a long input costs: full attention against recurrent memory";
  spec.description =
      "WHAT is rmt: Figure 3 of arXiv 2304.11062 by its closed formula. One row per model and\n"
      "length: full attention F(L), the published point and how far it is equal, RMT as in the\n"
      "figure, (L/512) F(512), and RMT with what the figure leaves out: T text tokens per segment\n"
      "between m memory tokens and m more, (L/T) F(T+2m). All 75 published points, the RMT line "
      "and\n"
      "the printed x295 and x29 are checked at every call; exit code 3 if one is not met.\n"
      "docs/rmt.md explains the formula.";
  spec.arguments = {{"WHAT"}};
  spec.options = {
      {"model", "LIST",
       "sizes of OPT, such as OPT-125M,OPT-175B; figure (default): the five of the "
       "figure; all: nine"},
      {"shape", "NAME:layers=N,width=N,heads=N[,ffn=N][,vocabulary=N]",
       "a model of your own (default: ffn four times the width, OPT's vocabulary)", true},
      {"lengths", "LIST", "in tokens, ranges as in suites (default: those of the figure)"},
      {"segment", "T", "text tokens per segment where memory is counted (default 512)"},
      {"memory", "M", "memory tokens, before and again after a segment (default 10)"},
      {"db", "FILE", "put measured time and memory of this database below, as cost-by-length does"},
      {"plot", "DIR", "draw the curves there (rmt-flops.svg, .png, .gp)"},
      {"out", "FILE", "write the text there instead of standard output"},
      {"format", "FORMAT", "table (default), csv, json or md"},
      {"json", "", "same as --format json"}};
  spec.examples = {
      {"Figure 3, recomputed and drawn", "lethe flops rmt --plot figure3"},
      {"all sizes of OPT with segments of 1,020 tokens and 2 memory tokens",
       "lethe flops rmt --model all --lengths 1024..1048576*4 --segment 1020 --memory 2"},
      {"a model of your own, beside what was measured",
       "lethe flops rmt --shape mine:layers=30,width=576,heads=9 --lengths 2^10..2^16 "
       "--db lethe.db"}};
  return {spec, run, {}};
}

}  // namespace lethe::cli
