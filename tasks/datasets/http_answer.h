// SPDX-License-Identifier: Apache-2.0
// What a server says about a file before it sends it. Internal to this room.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace lethe::tasks {

/// The head of the last answer in a chain of redirects.
struct HttpAnswer {
  std::int64_t status = 0;  ///< 0 before any answer
  std::string etag;
  std::string last_modified;
  std::optional<std::int64_t> length;       ///< of this answer's body
  std::optional<std::int64_t> range_begin;  ///< of a part
  std::optional<std::int64_t> range_total;
  bool framed = false;  ///< its end can be told from a lost connection

  /// What If-Range takes. A weak ETag promises no equal bytes.
  std::string validator() const;
  /// One line of a head; a status line begins a new answer.
  void read_line(std::string_view line);
};

}  // namespace lethe::tasks
