// SPDX-License-Identifier: Apache-2.0
// Binding values that may be missing. Internal to this room.
#pragma once

#include <optional>

namespace lethe::store {

/// Binds the value, or NULL where there is none. A template over SQLite::Statement too: SQLite
/// stays inside the .cpp files.
template <typename Statement, typename T>
void bind_optional(Statement& statement, int index, const std::optional<T>& value) {
  if (value) {
    statement.bind(index, *value);
  } else {
    statement.bind(index);
  }
}

}  // namespace lethe::store
