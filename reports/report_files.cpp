// SPDX-License-Identifier: Apache-2.0
#include "reports/report_files.h"

#include <algorithm>

#include "harness/base/error.h"
#include "harness/base/json.h"
#include "harness/base/names.h"
#include "harness/base/text.h"
#include "harness/base/version.h"

namespace lethe::reports {

namespace fs = std::filesystem;

ReportFiles::ReportFiles(const ReportRequest& request) : request_(request) {
  static const std::vector<std::string> known{"html", "md", "csv", "svg", "png"};
  for (const std::string& format : request_.formats) {
    if (std::find(known.begin(), known.end(), format) == known.end()) {
      throw unknown_name(ErrorKind::kConfig, "report format", format, known);
    }
  }
  std::error_code ec;
  fs::create_directories(request_.out_dir, ec);
  if (ec) {
    throw Error(ErrorKind::kStore,
                "cannot create the folder " + request_.out_dir.string() + ": " + ec.message());
  }
}

bool ReportFiles::wants(std::string_view format) const {
  const auto& formats = request_.formats;
  return formats.empty() || std::find(formats.begin(), formats.end(), format) != formats.end();
}

void ReportFiles::save(const std::string& name, const std::string& content, bool first) {
  const fs::path path = request_.out_dir / name;
  write_file_atomically(path, content);
  files_.insert(first ? files_.begin() : files_.end(), path);
}

void ReportFiles::draw_figures(const std::vector<PlotFigure>& figures) {
  if (!wants_pictures()) return;
  for (const PlotFigure& figure : figures) {
    keep(figure.name, draw(figure, request_.out_dir, request_.gnuplot));
  }
}

void ReportFiles::draw_script_of(const std::string& name, const std::string& script) {
  if (wants_pictures()) {
    keep(name, draw_script(name, script, request_.out_dir, request_.gnuplot));
  }
}

void ReportFiles::keep(const std::string& name, const std::vector<fs::path>& drawn) {
  for (const fs::path& path : drawn) {
    const std::string ending = path.extension().string().substr(1);
    // The page needs the SVG for itself; a picture nobody asked for does not stay.
    if (ending == "svg") svg_[name] = read_file(path, ErrorKind::kStore);
    const bool asked = ending == "gp" ? wants("svg") || wants("png") : wants(ending);
    if (asked) {
      files_.push_back(path);
    } else {
      fs::remove(path);
    }
  }
}

Picture ReportFiles::picture(const PlotFigure& figure, std::string alt,
                             const std::string& description, std::string caption) const {
  Picture picture{.file = wants("svg")   ? figure.name + ".svg"
                          : wants("png") ? figure.name + ".png"
                                         : "",
                  .svg = {},
                  .alt = std::move(alt),
                  .caption = std::move(caption)};
  if (const auto at = svg_.find(figure.name); at != svg_.end()) {
    picture.svg = inline_svg(at->second, "plot-" + figure.name, figure.title, description);
  }
  return picture;
}

ReportResult ReportFiles::finish(Document document, ReportResult result,
                                 const store::RunStore& store, const Selection& selection,
                                 const Clock& clock) {
  return finish(std::move(document), std::move(result), footer_of(store, selection, clock));
}

ReportResult ReportFiles::finish(Document document, ReportResult result, Facts footer) {
  document.footer = std::move(footer);
  if (wants("html")) save("index.html", to_html_page(document), true);
  if (wants("md")) save("report.md", to_markdown(document));
  result.files = take();
  return result;
}

void say_empty(Document& document, ReportResult& result, const store::RunStore& store) {
  const std::string name = store.path().filename().string();
  document.blocks.push_back(Paragraph{"The database `" + name +
                                      "` holds no such cell. Run the suite first; this report then "
                                      "fills itself."});
  result.summary.push_back("no cells in " + name + ": nothing to report yet");
}

Facts footer_of(const store::RunStore& store, const Selection& selection, const Clock& clock) {
  return footer_of(store, provenance_sql(selection), clock);
}

Facts footer_of(const store::RunStore& store, const std::string& origins_sql, const Clock& clock) {
  Facts facts;
  const Version& v = version();
  const auto rows = store.query(origins_sql).rows;
  for (const auto& row : rows) {
    const auto text = [&](std::size_t i) {
      return row[i].is_string() ? std::string(row[i].as_string()) : json::serialize(row[i]);
    };
    facts.items.push_back({"Measured by", "lethe " + text(0) + ", commit " + text(1).substr(0, 12) +
                                              (row[2].as_int64() ? " (with local changes)" : "") +
                                              ", " + text(3) + ", " + text(4) + ", LibTorch " +
                                              text(5) + ", " + text(6) + ", " + text(7) + ", " +
                                              text(8) +
                                              (row[8].as_int64() == 1 ? " thread" : " threads")});
  }
  if (rows.empty()) facts.items.push_back({"Measured by", "nothing was measured yet"});
  const auto schema = store.query("PRAGMA user_version").rows.at(0).at(0).as_int64();
  facts.items.push_back({"Database", "`" + store.path().filename().string() + "`, schema version " +
                                         std::to_string(schema)});
  facts.items.push_back({"Written by", "lethe " + v.version + ", commit " +
                                           v.git_commit.substr(0, 12) +
                                           (v.git_dirty ? " (with local changes)" : "")});
  facts.items.push_back({"Date", utc_text(clock.unix_ms())});
  return facts;
}

}  // namespace lethe::reports
