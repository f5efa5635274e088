// SPDX-License-Identifier: Apache-2.0
// A report as a sequence of blocks, and its two renderings: one self-contained page, one Markdown
// file.
#pragma once

#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "reports/table.h"

namespace lethe::reports {

/// Texts are plain; code between backticks.
struct Heading {
  int level = 2;
  std::string text;
};
struct Paragraph {
  std::string text;
};
/// Names and values, set side by side.
struct Facts {
  std::vector<std::pair<std::string, std::string>> items;
};
/// One line per item, each with a verdict in front.
struct Verdicts {
  struct Item {
    std::string verdict;
    Tone tone = Tone::kPlain;
    std::string text;
    std::string detail;
  };
  std::vector<Item> items;
};
/// A table; its query is folded away below it.
struct TableBlock {
  std::string id;
  Table table;
  std::string folded = {};  ///< not empty: the page shows this line, and the table on demand
};
/// A plot. `svg` stands in the page; Markdown refers to the file.
struct Picture {
  std::string file;  ///< "perplexity.svg"; empty when it is not kept: then Markdown leaves it out
  std::string svg;   ///< made by inline_svg()
  std::string alt;
  std::string caption;
};
/// Well-formed HTML of its own, for pages alone; Markdown leaves it out.
struct Html {
  std::string source;
};
/// A query that opens below a line.
Html folded_query(const std::string& line, const std::string& sql);
using Block = std::variant<Heading, Paragraph, Facts, Verdicts, TableBlock, Picture, Html>;

struct Document {
  std::string title;
  std::string subtitle;
  std::vector<Block> blocks;
  Facts footer;
};

/// XHTML-compatible page: style and pictures inline, nothing fetched, light and dark.
std::string to_html_page(const Document& document);

/// GitHub Markdown; pictures are referred to by file name.
std::string to_markdown(const Document& document);

}  // namespace lethe::reports
