// SPDX-License-Identifier: Apache-2.0
#include "harness/store/sql_functions.h"

#include <SQLiteCpp/Exception.h>
#include <sqlite3.h>

#include <algorithm>
#include <numeric>
#include <span>
#include <vector>

#include "harness/base/error.h"
#include "harness/store/nll_trace.h"

namespace lethe::store {
namespace {

using Range = std::span<const float>;

// Calls `answer(range)` with the asked part of the trace; no exception crosses SQLite's frames.
template <typename Answer>
void with_range(sqlite3_context* context, sqlite3_value** arguments, Answer answer) {
  if (std::any_of(arguments, arguments + 3,
                  [](auto* value) { return sqlite3_value_type(value) == SQLITE_NULL; })) {
    return sqlite3_result_null(context);
  }
  try {
    const auto* blob = static_cast<const char*>(sqlite3_value_blob(arguments[0]));
    const auto size = static_cast<std::size_t>(sqlite3_value_bytes(arguments[0]));
    const std::vector<float> trace = decode_nll_trace({blob, size});
    const auto length = static_cast<sqlite3_int64>(trace.size());
    const auto begin = std::clamp<sqlite3_int64>(sqlite3_value_int64(arguments[1]), 0, length);
    const auto end = std::clamp(sqlite3_value_int64(arguments[2]), begin, length);
    answer(Range(trace).subspan(static_cast<std::size_t>(begin),
                                static_cast<std::size_t>(end - begin)));
  } catch (const std::exception& error) {
    sqlite3_result_error(context, error.what(), -1);
  }
}

void nll_sum(sqlite3_context* context, int, sqlite3_value** arguments) {
  with_range(context, arguments, [&](Range range) {
    sqlite3_result_double(context, std::accumulate(range.begin(), range.end(), 0.0));
  });
}

void nll_count(sqlite3_context* context, int, sqlite3_value** arguments) {
  with_range(context, arguments, [&](Range range) {
    sqlite3_result_int64(context, static_cast<sqlite3_int64>(range.size()));
  });
}

}  // namespace

void register_sql_functions(sqlite3& db) {
  const auto add = [&](const char* name, auto* function) {
    constexpr int kFlags = SQLITE_UTF8 | SQLITE_DETERMINISTIC | SQLITE_INNOCUOUS;
    const int code = sqlite3_create_function_v2(&db, name, 3, kFlags, nullptr, function, nullptr,
                                                nullptr, nullptr);
    if (code != SQLITE_OK) throw SQLite::Exception(&db, code);
  };
  add("nll_sum", nll_sum);
  add("nll_count", nll_count);
}

}  // namespace lethe::store
