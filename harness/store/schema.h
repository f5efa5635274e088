// SPDX-License-Identifier: Apache-2.0
// The tables and views of the result database as SQL (docs/store-schema.md explains them).
#pragma once

namespace lethe::store {

/// PRAGMA user_version of the databases this program writes. Raised with every change of the
/// schema.
inline constexpr int kSchemaVersion = 1;

/// PRAGMA application_id: "LTHE".
inline constexpr int kApplicationId = 0x4C544845;

/// Creates every table, index and view in an empty database.
extern const char* const kSchemaSql;

}  // namespace lethe::store
