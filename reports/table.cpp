// SPDX-License-Identifier: Apache-2.0
#include "reports/table.h"

#include <algorithm>

#include "harness/base/error.h"

namespace lethe::reports {
namespace {

std::size_t width_of(std::string_view text) {
  return static_cast<std::size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xC0) != 0x80; }));
}

std::string note_marks(const TableCell& cell) {
  std::string marks;
  for (const std::size_t note : cell.notes) marks += "[" + std::to_string(note) + "]";
  return marks;
}

std::string one_line(const TableCell& cell) {
  return cell.detail.empty() ? cell.text : cell.text + " " + cell.detail;
}

std::string flat_name(const Column& column) {
  if (!column.flat.empty()) return column.flat;
  return column.group.empty() ? column.name : column.group + ": " + column.name;
}

std::string markdown_text(std::string_view text) {
  std::string out;
  bool code = false;
  for (const char c : text) {
    if (c == '`') code = !code;
    if (c == '|') {
      out += "\\|";
    } else if (c == '\n') {
      out += ' ';
    } else if (!code && (c == '*' || c == '_' || c == '<' || c == '[')) {
      out += '\\';
      out += c;
    } else {
      out += c;
    }
  }
  return out;
}

std::string markdown_cell(const TableCell& cell) {
  std::string out = markdown_text(one_line(cell));
  for (const std::size_t note : cell.notes) out += "<sup>" + std::to_string(note) + "</sup>";
  return out;
}

std::string csv_field(const std::string& text) {
  if (text.find_first_of(",\"\r\n") == std::string::npos) return text;
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"') out += '"';
    out += c;
  }
  return out + '"';
}

std::string_view tone_class(Tone tone) {
  switch (tone) {
    case Tone::kGood:
      return "good";
    case Tone::kBad:
      return "bad";
    case Tone::kMuted:
      return "muted";
    case Tone::kStrong:
      return "strong";
    case Tone::kPlain:
      break;
  }
  return "";
}

std::string html_header(const Table& table) {
  const bool grouped = std::any_of(table.columns.begin(), table.columns.end(),
                                   [](const Column& column) { return !column.group.empty(); });
  std::string top;
  std::string bottom;
  for (std::size_t i = 0; i < table.columns.size();) {
    const Column& column = table.columns[i];
    const std::string align = column.align == Align::kRight ? " class=\"num\"" : "";
    if (column.group.empty()) {
      const std::string rows = grouped ? " rowspan=\"2\"" : "";
      top += "<th scope=\"col\"" + rows + align + ">" + inline_html(column.name) + "</th>";
      ++i;
      continue;
    }
    std::size_t span = 0;
    while (i + span < table.columns.size() && table.columns[i + span].group == column.group) {
      const Column& member = table.columns[i + span];
      const std::string edge = span == 0 ? " edge" : "";
      bottom += "<th scope=\"col\" class=\"" +
                std::string(member.align == Align::kRight ? "num" : "") + edge + "\">" +
                inline_html(member.name) + "</th>";
      ++span;
    }
    top += "<th scope=\"colgroup\" class=\"group edge\" colspan=\"" + std::to_string(span) + "\">" +
           inline_html(column.group) + "</th>";
    i += span;
  }
  std::string out = "<thead>\n<tr>" + top + "</tr>\n";
  if (grouped) out += "<tr>" + bottom + "</tr>\n";
  return out + "</thead>\n";
}

bool starts_group(const Table& table, std::size_t column) {
  const std::string& group = table.columns[column].group;
  return !group.empty() && (column == 0 || table.columns[column - 1].group != group);
}

}  // namespace

std::size_t Table::note(std::string_view text) {
  const auto at = std::find(notes.begin(), notes.end(), text);
  if (at != notes.end()) return static_cast<std::size_t>(at - notes.begin()) + 1;
  notes.emplace_back(text);
  return notes.size();
}

void Table::add_row(std::vector<std::string> texts) {
  std::vector<TableCell> cells;
  cells.reserve(texts.size());
  for (std::string& text : texts) cells.push_back({.text = std::move(text)});
  add_row(std::move(cells));
}

void Table::add_row(std::vector<TableCell> cells) {
  LETHE_ASSERT(cells.size() == columns.size(), "a row of " + std::to_string(cells.size()) +
                                                   " cells in a table of " +
                                                   std::to_string(columns.size()) + " columns");
  rows.push_back(std::move(cells));
}

std::string to_markdown(const Table& table) {
  std::string out;
  if (!table.caption.empty()) out += "**" + markdown_text(table.caption) + "**\n\n";
  std::string rule = "|";
  out += "|";
  for (const Column& column : table.columns) {
    out += " " + markdown_text(flat_name(column)) + " |";
    rule += column.align == Align::kRight ? "---:|" : "---|";
  }
  out += "\n" + rule + "\n";
  for (const auto& row : table.rows) {
    out += "|";
    for (const TableCell& cell : row) out += " " + markdown_cell(cell) + " |";
    out += "\n";
  }
  if (!table.notes.empty()) out += "\n";
  for (std::size_t i = 0; i < table.notes.size(); ++i) {
    out += std::to_string(i + 1) + ". " + markdown_text(table.notes[i]) + "\n";
  }
  return out;
}

std::string to_csv(const Table& table) {
  std::string out;
  for (std::size_t i = 0; i < table.columns.size(); ++i) {
    if (i) out += ',';
    out += csv_field(flat_name(table.columns[i]));
  }
  return out + '\n' + csv_rows(table);
}

std::string csv_rows(const Table& table) {
  std::string out;
  for (const auto& row : table.rows) {
    for (std::size_t i = 0; i < row.size(); ++i) {
      if (i) out += ',';
      out += csv_field(one_line(row[i]));
    }
    out += '\n';
  }
  return out;
}

std::string to_html(const Table& table, std::string_view id) {
  const std::string name = escape_html(id);
  // A wide table scrolls inside its own box; tabindex lets the keyboard do it.
  std::string out = "<div class=\"scroll\" role=\"region\" tabindex=\"0\" aria-labelledby=\"" +
                    name + "-caption\">\n<table id=\"" + name + "\">\n<caption id=\"" + name +
                    "-caption\">" + inline_html(table.caption) + "</caption>\n" +
                    html_header(table) + "<tbody>\n";
  for (const auto& row : table.rows) {
    out += "<tr>";
    for (std::size_t i = 0; i < row.size(); ++i) {
      const TableCell& cell = row[i];
      std::string classes = table.columns[i].align == Align::kRight ? "num" : "";
      if (starts_group(table, i)) classes += classes.empty() ? "edge" : " edge";
      if (const auto tone = tone_class(cell.tone); !tone.empty()) {
        classes += (classes.empty() ? "" : " ") + std::string(tone);
      }
      const bool heads_row = i < table.header_columns;
      const std::string tag = heads_row ? "th" : "td";
      out += "<" + tag + (heads_row ? " scope=\"row\"" : "");
      if (!classes.empty()) out += " class=\"" + classes + "\"";
      if (!cell.whole.empty()) out += " title=\"" + escape_html(cell.whole) + "\"";
      out += ">" + (cell.literal ? escape_html(cell.text) : inline_html(cell.text));
      for (const std::size_t note : cell.notes) {
        const std::string number = std::to_string(note);
        out += "<sup><a href=\"#" + name + "-note-" + number + "\">" + number + "</a></sup>";
      }
      if (!cell.detail.empty()) out += " <small>" + inline_html(cell.detail) + "</small>";
      out += "</" + tag + ">";
    }
    out += "</tr>\n";
  }
  out += "</tbody>\n</table>\n</div>\n";
  if (table.notes.empty()) return out;
  out += "<ol class=\"notes\">\n";
  for (std::size_t i = 0; i < table.notes.size(); ++i) {
    out += "<li id=\"" + name + "-note-" + std::to_string(i + 1) + "\">" +
           inline_html(table.notes[i]) + "</li>\n";
  }
  return out + "</ol>\n";
}

std::string to_plain_text(const Table& table) {
  std::vector<std::vector<std::string>> lines;
  lines.emplace_back();
  for (const Column& column : table.columns) lines.back().push_back(flat_name(column));
  for (const auto& row : table.rows) {
    lines.emplace_back();
    for (const TableCell& cell : row) lines.back().push_back(one_line(cell) + note_marks(cell));
  }
  std::vector<std::size_t> widths(table.columns.size(), 0);
  for (auto& line : lines) {
    for (std::size_t i = 0; i < line.size(); ++i) {
      std::replace(line[i].begin(), line[i].end(), '\n', ' ');
      widths[i] = std::max(widths[i], width_of(line[i]));
    }
  }
  std::string out = table.caption.empty() ? "" : table.caption + "\n";
  for (std::size_t row = 0; row < lines.size(); ++row) {
    std::string text;
    for (std::size_t i = 0; i < lines[row].size(); ++i) {
      const std::string pad(widths[i] - width_of(lines[row][i]), ' ');
      if (i) text += "  ";
      text += table.columns[i].align == Align::kRight ? pad + lines[row][i] : lines[row][i] + pad;
    }
    text.erase(text.find_last_not_of(' ') + 1);
    out += text + "\n";
    if (row > 0) continue;
    for (std::size_t i = 0; i < widths.size(); ++i) {
      out += (i ? "  " : "") + std::string(widths[i], '-');
    }
    out += "\n";
  }
  for (std::size_t i = 0; i < table.notes.size(); ++i) {
    out += "[" + std::to_string(i + 1) + "] " + table.notes[i] + "\n";
  }
  return out;
}

std::string escape_html(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      default:
        out += c;
    }
  }
  return out;
}

std::string inline_html(std::string_view text) {
  const std::string escaped = escape_html(text);
  std::string out;
  std::size_t at = 0;
  while (true) {
    const auto open = escaped.find('`', at);
    const auto close = open == std::string::npos ? open : escaped.find('`', open + 1);
    if (close == std::string::npos) return out + escaped.substr(at);
    out += escaped.substr(at, open - at) + "<code>" + escaped.substr(open + 1, close - open - 1) +
           "</code>";
    at = close + 1;
  }
}

}  // namespace lethe::reports
