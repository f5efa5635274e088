// SPDX-License-Identifier: Apache-2.0
// SQL functions of a connection, beyond SQLite's own. Internal to this room.
#pragma once

struct sqlite3;

namespace lethe::store {

/// Registers, for traces as in nll_trace.h and half-open ranges clipped to the trace:
///   nll_sum(trace, begin, end)    sum of the NLL of scored tokens begin … end - 1, nats
///   nll_count(trace, begin, end)  how many those are
/// NULL for a NULL argument; an SQL error for a damaged trace.
void register_sql_functions(sqlite3& db);

}  // namespace lethe::store
