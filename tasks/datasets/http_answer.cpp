// SPDX-License-Identifier: Apache-2.0
#include "tasks/datasets/http_answer.h"

#include <strings.h>

#include "harness/base/spec.h"

namespace lethe::tasks {

namespace {

std::string trimmed(std::string_view text) {
  const auto begin = text.find_first_not_of(" \t\r\n");
  if (begin == std::string_view::npos) return "";
  return std::string(text.substr(begin, text.find_last_not_of(" \t\r\n") - begin + 1));
}

void read_range(const std::string& value, HttpAnswer& answer) {  // "bytes 5-9/10", "bytes */10"
  const auto slash = value.find('/');
  if (!value.starts_with("bytes ") || slash == std::string::npos) return;
  answer.range_total = parse_integer(value.substr(slash + 1));
  answer.range_begin = parse_integer(value.substr(6, value.find('-') - 6));
}

}  // namespace

std::string HttpAnswer::validator() const {
  return !etag.empty() && !etag.starts_with("W/") ? etag : last_modified;
}

void HttpAnswer::read_line(std::string_view line) {
  if (line.starts_with("HTTP/")) {
    *this = {};
    framed = !line.starts_with("HTTP/1");  // later versions have frames
    status = parse_integer(line.substr(line.find(' ') + 1, 3)).value_or(0);
    return;
  }
  const auto colon = line.find(':');
  if (colon == std::string_view::npos) return;
  const std::string name(line.substr(0, colon));
  const auto is = [&](const char* known) { return strcasecmp(name.c_str(), known) == 0; };
  const std::string value = trimmed(line.substr(colon + 1));
  if (is("etag")) etag = value;
  if (is("last-modified")) last_modified = value;
  if (is("transfer-encoding")) framed = true;
  if (is("content-length")) {
    length = parse_integer(value);
    framed = true;
  }
  if (is("content-range")) read_range(value, *this);
}

}  // namespace lethe::tasks
