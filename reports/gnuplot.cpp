// SPDX-License-Identifier: Apache-2.0
#include <sstream>

#include <boost/process.hpp>
#include <boost/regex.hpp>

#include "harness/base/error.h"
#include "harness/base/text.h"
#include "reports/plot.h"
#include "reports/table.h"

namespace lethe::reports {
namespace {

namespace bp = boost::process;

std::filesystem::path find_program(const std::string& program) {
  const std::filesystem::path given(program);
  const std::filesystem::path found =
      given.has_parent_path() ? given : std::filesystem::path(bp::search_path(program).string());
  std::error_code ec;
  if (found.empty() || !std::filesystem::exists(found, ec)) {
    throw Error(ErrorKind::kConfig,
                "plots are drawn by gnuplot, and `" + program +
                    "` was not found; install it with `apt-get install gnuplot-nox`, or ask for "
                    "the formats md and csv only");
  }
  return found;
}

}  // namespace

std::string gnuplot_string(const std::string& text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '\\' || c == '"') out += '\\';
    if (c == '\n') continue;
    out += c;
  }
  return out + "\"";
}

std::vector<std::filesystem::path> draw(const PlotFigure& figure,
                                        const std::filesystem::path& folder,
                                        const std::string& program) {
  return draw_script(figure.name, gnuplot_script(figure), folder, program);
}

std::vector<std::filesystem::path> draw_script(const std::string& name, const std::string& script,
                                               const std::filesystem::path& folder,
                                               const std::string& program) {
  const std::filesystem::path gnuplot = find_program(program);
  const std::string file = name + ".gp";
  write_file_atomically(folder / file, script);
  std::string words;
  int status = -1;
  try {
    bp::ipstream errors;
    bp::child child(gnuplot.string(), "-d", file, bp::start_dir = folder.string(),
                    bp::std_in<bp::null, bp::std_out> bp::null, bp::std_err > errors);
    std::ostringstream text;
    text << errors.rdbuf();
    child.wait();
    words = text.str();
    status = child.exit_code();
  } catch (const bp::process_error& e) {
    throw Error(ErrorKind::kConfig, "cannot start " + gnuplot.string() + ": " + e.what());
  }
  const auto svg = folder / (name + ".svg");
  const auto png = folder / (name + ".png");
  std::error_code ec;
  if (status != 0 || !std::filesystem::exists(svg, ec) || !std::filesystem::exists(png, ec)) {
    throw Error(ErrorKind::kInternal, "gnuplot ended with status " + std::to_string(status) +
                                          " on " + (folder / file).string() + ": " + words);
  }
  return {folder / file, svg, png};
}

std::string inline_svg(const std::string& svg, const std::string& id, const std::string& title,
                       const std::string& description) {
  const auto start = svg.find("<svg");
  const auto open_end = svg.find('>', start);
  if (start == std::string::npos || open_end == std::string::npos) {
    throw Error(ErrorKind::kInternal, "gnuplot wrote no <svg> element");
  }
  std::string body = svg.substr(open_end + 1);
  // gnuplot's own title and description say nothing about the figure.
  body = boost::regex_replace(body, boost::regex("<title>[^<]*</title>|<desc>[^<]*</desc>"), "");
  body = boost::regex_replace(body, boost::regex("<rect[^>]*fill=\"#ffffff\"[^>]*/>"), "");
  body = boost::regex_replace(body, boost::regex("\\bid=([\"'])"), "id=$1" + id + "-");
  body = boost::regex_replace(body, boost::regex("url\\(#"), "url(#" + id + "-");
  body = boost::regex_replace(body, boost::regex("href='#"), "href='#" + id + "-");
  body = boost::regex_replace(body, boost::regex("rgb\\( ?51, *51, *51\\)"), "currentColor");
  body = boost::regex_replace(body, boost::regex("(['\"])black\\1"), "$1currentColor$1");
  boost::smatch box;
  const std::string head = svg.substr(start, open_end - start);
  boost::regex_search(head, box, boost::regex("viewBox=\"[^\"]*\""));
  return "<svg " + box.str() +
         " xmlns=\"http://www.w3.org/2000/svg\" xmlns:xlink=\"http://www.w3.org/1999/xlink\" "
         "role=\"img\" aria-labelledby=\"" +
         id + "-title " + id + "-desc\">\n<title id=\"" + id + "-title\">" + escape_html(title) +
         "</title>\n<desc id=\"" + id + "-desc\">" + escape_html(description) + "</desc>" + body;
}

}  // namespace lethe::reports
