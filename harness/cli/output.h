// SPDX-License-Identifier: Apache-2.0
// Printing results: tables for people, CSV and JSON for programs.
#pragma once

#include <string>
#include <vector>

#include "harness/base/json.h"
#include "harness/store/run_store.h"
#include "reports/table.h"

namespace lethe::cli {

/// Columns and rows of a query; columns of numbers stand right.
reports::Table table_of(const store::QueryResult& result);

/// One object per row.
json::array objects_of(const store::QueryResult& result);

/// Columns and rows as "table" (aligned), "csv" or "json" (an array of objects) on standard output.
void print_rows(const store::QueryResult& result, const std::string& format);

/// A JSON value on standard output, one line.
void print_json(const json::value& value);

/// Whole standard input.
std::string read_standard_input();

/// The file, or standard input for "-". Throws Error(kData) when it cannot be read.
std::string read_input(const std::string& name);

}  // namespace lethe::cli
