// SPDX-License-Identifier: Apache-2.0
// The interface of every released header is a beginning of today's: old plugins go on working.
#include <cstddef>
#include <cstdint>

#include "policies/plugin/lethe_policy.h"
#include "tests/support/catch.h"

#undef LETHE_POLICY_H
#undef LETHE_POLICY_ABI
#undef LETHE_POLICY_EXPORT
#define lethe_policy_plugin_v1 released_entry  // two of one C name may not differ
namespace release_1 {
#include "tests/policies/plugins/abi/lethe_policy_1.h"
}  // namespace release_1

// A released structure is no longer than today's, and a member stands where it stood and is as
// long.
#define SAME(structure, member)                                                           \
  static_assert(offsetof(release_1::structure, member) == offsetof(::structure, member)); \
  static_assert(sizeof(release_1::structure::member) == sizeof(::structure::member))
#define GROWN(structure) static_assert(sizeof(release_1::structure) <= sizeof(::structure))

GROWN(lethe_layer);
SAME(lethe_layer, struct_size);
SAME(lethe_layer, layer);
SAME(lethe_layer, n_layers);
SAME(lethe_layer, kv_heads);
SAME(lethe_layer, group);
SAME(lethe_layer, seed);

GROWN(lethe_traits);
SAME(lethe_traits, struct_size);
SAME(lethe_traits, scope);
SAME(lethe_traits, reads_attention);
SAME(lethe_traits, reads_key_norms);
SAME(lethe_traits, last_rows);
SAME(lethe_traits, update_interval);
SAME(lethe_traits, exact_only);
SAME(lethe_traits, reads_whole_text);
SAME(lethe_traits, takes_budget);
SAME(lethe_traits, fixed_size);
SAME(lethe_traits, least_budget);

GROWN(lethe_attention);
SAME(lethe_attention, struct_size);
SAME(lethe_attention, rows);
SAME(lethe_attention, heads);
SAME(lethe_attention, self);
SAME(lethe_attention, mean_over_heads);
SAME(lethe_attention, weights);

GROWN(lethe_head);
SAME(lethe_head, struct_size);
SAME(lethe_head, cached);
SAME(lethe_head, positions);
SAME(lethe_head, key_norms);
SAME(lethe_head, attention);

GROWN(lethe_view);
SAME(lethe_view, struct_size);
SAME(lethe_view, step);
SAME(lethe_view, n_heads);
SAME(lethe_view, heads);

GROWN(lethe_plan);
SAME(lethe_plan, struct_size);
SAME(lethe_plan, n_heads);
SAME(lethe_plan, victims);
SAME(lethe_plan, counts);
SAME(lethe_plan, capacity);
SAME(lethe_plan, margins);

GROWN(lethe_sink);
SAME(lethe_sink, struct_size);
SAME(lethe_sink, self);
SAME(lethe_sink, put);

GROWN(lethe_source);
SAME(lethe_source, struct_size);
SAME(lethe_source, self);
SAME(lethe_source, get);

GROWN(lethe_policy_plugin);
SAME(lethe_policy_plugin, struct_size);
SAME(lethe_policy_plugin, abi);
SAME(lethe_policy_plugin, accepts);
SAME(lethe_policy_plugin, name);
SAME(lethe_policy_plugin, version);
SAME(lethe_policy_plugin, summary);
SAME(lethe_policy_plugin, source);
SAME(lethe_policy_plugin, option_help);
SAME(lethe_policy_plugin, configure);
SAME(lethe_policy_plugin, release);
SAME(lethe_policy_plugin, create);
SAME(lethe_policy_plugin, destroy);
SAME(lethe_policy_plugin, select);
SAME(lethe_policy_plugin, observe);
SAME(lethe_policy_plugin, applied);
SAME(lethe_policy_plugin, preview);
SAME(lethe_policy_plugin, save);
SAME(lethe_policy_plugin, load);
SAME(lethe_policy_plugin, layer_budget);

TEST_CASE("a header that was released stays a beginning of today's", "[unit]") {
  // The compiler has checked it; what it cannot: that the copy is what was released.
  CHECK(LETHE_POLICY_ABI == 1);
  CHECK(sizeof(release_1::lethe_policy_plugin) == 2 * sizeof(void*) + 16 * sizeof(void*));
}
