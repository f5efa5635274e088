// SPDX-License-Identifier: Apache-2.0
// A table as a value, and its renderings: Markdown, CSV, HTML and aligned plain text.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace lethe::reports {

enum class Align { kLeft, kRight };

/// How a cell is tinted in HTML. The text alone must carry the meaning.
enum class Tone { kPlain, kGood, kBad, kMuted, kStrong };

struct Column {
  std::string name;
  Align align = Align::kLeft;
  std::string group = {};  ///< neighbours with the same non-empty group share a spanning heading
  std::string flat = {};   ///< name where nothing can span; empty: "group: name"
};

struct TableCell {
  std::string text;
  std::string detail = {};              ///< second line, e.g. an interval; "" for none
  std::vector<std::size_t> notes = {};  ///< footnote numbers from Table::note()
  Tone tone = Tone::kPlain;
  std::string whole = {};  ///< of a shortened text: HTML shows it where one points at the cell
  bool literal = false;    ///< somebody else's text: HTML takes its backticks as they are
};

/// Columns, rows and footnotes. A value; the renderers below never change it.
struct Table {
  std::string caption;
  std::vector<Column> columns;
  std::vector<std::vector<TableCell>> rows;
  std::vector<std::string> notes;  ///< footnote n is notes[n - 1]
  std::size_t header_columns = 1;  ///< leading columns that name the row
  std::string sql = {};            ///< query that gives the table; "" for none

  /// Number of the footnote with this text, added when it is new.
  std::size_t note(std::string_view text);
  /// Appends a row of plain texts. Throws Error(kInternal) when their number is not the columns'.
  void add_row(std::vector<std::string> texts);
  /// Appends a row. Throws Error(kInternal) when its size is not the number of columns.
  void add_row(std::vector<TableCell> cells);
};

/// GitHub Markdown: caption in bold, pipe table, footnotes as a list. Columns go by their
/// flat names. The query is not part of it.
std::string to_markdown(const Table& table);

/// RFC 4180: comma, quotes where needed, CRLF-free line ends, header line. Flat names;
/// a detail follows its text after a space; footnotes are left out.
std::string to_csv(const Table& table);
/// The same without the header line.
std::string csv_rows(const Table& table);

/// XHTML-compatible `<table>` with caption and scope attributes, then the footnotes. `id` must be
/// unique within the page.
std::string to_html(const Table& table, std::string_view id);

/// Columns aligned with spaces under a rule, widths counted in code points; footnotes below.
std::string to_plain_text(const Table& table);

/// Text with &, <, > and " replaced by entities.
std::string escape_html(std::string_view text);

/// escape_html(), then `code` between backticks set as <code>.
std::string inline_html(std::string_view text);

}  // namespace lethe::reports
