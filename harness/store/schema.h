// SPDX-License-Identifier: Apache-2.0
// The tables and views of the result database as SQL (docs/store-schema.md explains them).
#pragma once

namespace lethe::store {

/// PRAGMA user_version of the databases this program writes. Raised with every change of the
/// schema.
inline constexpr int kSchemaVersion = 4;

/// PRAGMA application_id: "LTHE".
inline constexpr int kApplicationId = 0x4C544845;

/// Creates every table and index in an empty database.
extern const char* const kTablesSql;

/// Creates every view; needs the tables. Views hold no data: a migration drops all and runs this.
extern const char* const kViewsSql;

/// Brings the tables and indexes of version `from` (1 … kSchemaVersion - 1) to `from + 1`. For a
/// transaction on a connection without views and without enforced foreign keys.
const char* migration_sql(int from);

}  // namespace lethe::store
