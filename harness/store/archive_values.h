// SPDX-License-Identifier: Apache-2.0
// Values of a row as JSON and back, without losing a bit. Internal to this room.
#pragma once

#include <string>

#include "harness/base/json.h"

namespace SQLite {
class Column;
class Statement;
}  // namespace SQLite

namespace lethe::store {

/// NULL: null; INTEGER: a number; REAL: a string with a hexadecimal floating-point number
/// ("0x1.8p+1", what C's %a writes and Python's float.fromhex reads); TEXT: a string, or {"base64"}
/// where it is not UTF-8; BLOB: a string in base64.
json::value archived(const SQLite::Column& value);

/// Binds what archived() wrote for a column of the declared `type`. Throws Error(kData) that says
/// what was expected and found.
void bind_archived(SQLite::Statement& to, int index, const std::string& type,
                   const json::value& value);

}  // namespace lethe::store
