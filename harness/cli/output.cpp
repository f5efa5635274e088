// SPDX-License-Identifier: Apache-2.0
#include "harness/cli/output.h"

#include <iostream>
#include <iterator>
#include <sstream>

#include "harness/base/error.h"
#include "harness/base/text.h"

namespace lethe::cli {

namespace {

std::string cell_text(const json::value& value) {
  if (value.is_null()) return "";
  if (value.is_string()) return std::string(value.as_string());
  if (value.is_double()) {
    std::ostringstream out;
    out.precision(10);
    out << value.as_double();
    return out.str();
  }
  return json::serialize(value);
}

}  // namespace

reports::Table table_of(const store::QueryResult& result) {
  reports::Table table;
  for (std::size_t i = 0; i < result.columns.size(); ++i) {
    bool numbers = !result.rows.empty();
    for (const auto& row : result.rows) {
      numbers = numbers && (row[i].is_number() || row[i].is_null());
    }
    table.columns.push_back(
        {result.columns[i], numbers ? reports::Align::kRight : reports::Align::kLeft});
  }
  for (const auto& row : result.rows) {
    std::vector<std::string> texts;
    for (const auto& value : row) texts.push_back(cell_text(value));
    table.add_row(std::move(texts));
  }
  return table;
}

json::array objects_of(const store::QueryResult& result) {
  json::array rows;
  for (const auto& row : result.rows) {
    json::object object;
    for (std::size_t i = 0; i < row.size(); ++i) object[result.columns[i]] = row[i];
    rows.push_back(std::move(object));
  }
  return rows;
}

void print_rows(const store::QueryResult& result, const std::string& format) {
  if (format == "json") {
    print_json(objects_of(result));
  } else if (format == "csv") {
    std::cout << reports::to_csv(table_of(result));
  } else {
    std::cout << reports::to_plain_text(table_of(result));
  }
}

void print_json(const json::value& value) {
  std::cout << json::serialize(value) << '\n';
}

std::string read_standard_input() {
  return {std::istreambuf_iterator<char>(std::cin), std::istreambuf_iterator<char>()};
}

std::string read_input(const std::string& name) {
  return name == "-" ? read_standard_input() : read_file(name, ErrorKind::kData);
}

}  // namespace lethe::cli
