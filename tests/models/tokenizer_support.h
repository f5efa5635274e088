// SPDX-License-Identifier: Apache-2.0
// Golden files of tokenizers.
#pragma once

#include <fstream>
#include <string>
#include <vector>

#include "harness/base/json.h"
#include "tests/support/fixtures.h"

namespace lethe::test {

inline std::vector<std::int64_t> ids_of(const json::value& value) {
  std::vector<std::int64_t> ids;
  for (const json::value& id : value.as_array()) ids.push_back(id.as_int64());
  return ids;
}

inline std::string text_of(const json::value& value) {
  return std::string(value.as_string());
}

/// The JSON values of tests/golden/<name>, one a line.
inline std::vector<json::value> golden_lines(const std::string& name) {
  std::ifstream file(golden(name));
  std::vector<json::value> lines;
  for (std::string line; std::getline(file, line);) {
    lines.push_back(parse_json(line, name, ErrorKind::kData));
  }
  return lines;
}

}  // namespace lethe::test
