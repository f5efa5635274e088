/* SPDX-License-Identifier: Apache-2.0
 *
 * Eviction policies as plugins of Lethe: a C table, C99. C++ authors include lethe_policy.hpp.
 *
 * A plugin is a shared library that exports one function, lethe_policy_plugin_v1, which returns a
 * table. Policies see numbers on the host, never tensors: no compiler, standard library or LibTorch
 * need be the host's.
 *
 * Rules. Structures only grow at their end; each begins with its size, and neither side reads
 * beyond the smaller of its own and the other's. What a new version cannot add that way gets a new
 * symbol, lethe_policy_plugin_v2. Who allocates, frees. Texts are UTF-8. No exception leaves either
 * side. Calls for one instance are serial, in the order observe, select, applied; instances may
 * live in different threads. Pointers passed to a call are valid during that call. The library
 * stays loaded until the process ends. A function that can fail returns 0 for success, and
 * otherwise fills `error` (at most `error_size` bytes with the terminating zero).
 */
#ifndef LETHE_POLICY_H
#define LETHE_POLICY_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define LETHE_POLICY_ABI 1u

/* Whether all KV heads of a layer lose the same token, or each its own. */
enum { LETHE_SCOPE_LAYER = 0, LETHE_SCOPE_KV_HEAD = 1 };

/* Options that the host understands for a policy (lethe_policy_plugin.accepts): sinks=i, the first
 * i positions never leave and are never shown; scope=layer|head. */
enum { LETHE_ACCEPTS_SINKS = 1, LETHE_ACCEPTS_SCOPE = 2 };

/* Where an instance lives. */
typedef struct lethe_layer {
  size_t struct_size;
  int32_t layer;
  int32_t n_layers;
  int32_t kv_heads;
  int32_t group; /* query heads per KV head */
  uint64_t seed; /* of the cell */
} lethe_layer;

/* What a policy needs; the host fills in the defaults given here before it asks. */
typedef struct lethe_traits {
  size_t struct_size;
  int32_t scope;           /* LETHE_SCOPE_LAYER */
  int32_t reads_attention; /* 0 */
  int32_t reads_key_norms; /* 0 */
  int32_t last_rows; /* 1: the newest row at a cut; w: the last w; 0: every row, once, in order */
  int32_t update_interval;  /* 1: victims every so many tokens, which the schedule must say too */
  int32_t exact_only;       /* 0; 1: for a cut after every token only */
  int32_t reads_whole_text; /* 0; 1: preview() is called first */
  int32_t takes_budget;     /* 1 */
  int32_t fixed_size;       /* 1; 0: select may leave more than the budget */
  int64_t least_budget;     /* 1: smallest budget, sinks not counted */
} lethe_traits;

/* Softmax weights of the most recent query rows over the cached tokens of one lethe_head. */
typedef struct lethe_attention {
  size_t struct_size;
  int32_t rows;  /* the newest is the last */
  int32_t heads; /* query heads */
  const void* self;
  /* out[i] = mean over the query heads of row `row`, in the precision and order of the built-in
   * policies; `cached` values. */
  void (*mean_over_heads)(const struct lethe_attention* attention, int32_t row, double* out);
  /* out[i] = weight of cached token i for one query head; `cached` values. */
  void (*weights)(const struct lethe_attention* attention, int32_t row, int32_t head, double* out);
} lethe_attention;

/* The cached tokens of one KV head, or of the layer, in ascending order of position. */
typedef struct lethe_head {
  size_t struct_size;
  size_t cached;
  const int64_t* positions;         /* [cached] original positions */
  const double* key_norms;          /* [cached], or null unless asked for */
  const lethe_attention* attention; /* null unless asked for */
} lethe_head;

typedef struct lethe_view {
  size_t struct_size;
  int64_t step;                   /* position of the newest token seen */
  size_t n_heads;                 /* 1 with LETHE_SCOPE_LAYER, else the KV heads */
  const lethe_head* const* heads; /* [n_heads] */
} lethe_view;

/* Victims by index into the view (not by position), ascending, for every head. */
typedef struct lethe_plan {
  size_t struct_size;
  size_t n_heads;
  size_t** victims;       /* [n_heads][capacity]: written by select */
  size_t* counts;         /* [n_heads]: written by select; 0 before */
  const size_t* capacity; /* [n_heads]: tokens cached */
  double* margins; /* [n_heads]: distance of the victim's score to the runner-up, for traces */
} lethe_plan;

/* Named bytes that an instance leaves, and finds again in an equal one. */
typedef struct lethe_sink {
  size_t struct_size;
  void* self;
  void (*put)(const struct lethe_sink* sink, const char* name, const void* data, size_t bytes);
} lethe_sink;

typedef struct lethe_source {
  size_t struct_size;
  void* self;
  /* Null when there is no such name; `bytes` is set. Valid during the call. */
  const void* (*get)(const struct lethe_source* source, const char* name, size_t* bytes);
} lethe_source;

/* The table of one policy. Functions marked optional may be null. */
typedef struct lethe_policy_plugin {
  size_t struct_size;
  uint32_t abi;     /* LETHE_POLICY_ABI */
  uint32_t accepts; /* LETHE_ACCEPTS_… */
  const char* name; /* lower-case letters, digits, - and _ */
  const char* version;
  const char* summary;            /* one line for `lethe list policies` */
  const char* source;             /* paper, section; may be empty */
  const char* const* option_help; /* "decay=x: …", ended by null; may be null */

  /* Reads the options of a specification (those that the host does not take itself) and sets what
   * is needed. `canonical` gets the options in canonical form, "decay=0.5,rows=4", without
   * defaults. Returns a configuration that lives until release(), or null with `error` filled. */
  void* (*configure)(size_t n_options, const char* const* keys, const char* const* values,
                     lethe_traits* traits, char* canonical, size_t canonical_size, char* error,
                     size_t error_size);
  void (*release)(void* configuration);

  /* One instance serves one layer of one sequence. Null with `error` filled on failure. */
  void* (*create)(const void* configuration, const lethe_layer* layer, char* error,
                  size_t error_size);
  void (*destroy)(void* self);

  /* Who leaves, so that at most `budget` tokens stay in every head. */
  int (*select)(void* self, const lethe_view* view, size_t budget, lethe_plan* plan, char* error,
                size_t error_size);

  /* Optional: after the attention of the newest token, before anything leaves. For every token with
   * last_rows == 0, else only at cuts. */
  int (*observe)(void* self, const lethe_view* view, char* error, size_t error_size);
  /* Optional: the plan was carried out; per-token state drops the same indices. */
  int (*applied)(void* self, const lethe_plan* plan, char* error, size_t error_size);
  /* Optional; with reads_whole_text once before anything else: sums[h][i] is the attention that
   * token i receives from all queries of the text. */
  int (*preview)(void* self, size_t n_heads, size_t tokens, const double* const* sums, char* error,
                 size_t error_size);
  /* Optional, both or neither: everything that later decisions depend on. */
  int (*save)(const void* self, const lethe_sink* sink, char* error, size_t error_size);
  int (*load)(void* self, const lethe_source* source, char* error, size_t error_size);
  /* Optional: tokens of this layer of a budget of `budget` a layer on average; below 0 for
   * failure. */
  int64_t (*layer_budget)(const void* configuration, const lethe_layer* layer, int64_t budget);
} lethe_policy_plugin;

#if defined(_WIN32)
#define LETHE_POLICY_EXPORT __declspec(dllexport)
#else
#define LETHE_POLICY_EXPORT __attribute__((visibility("default")))
#endif

/* The one exported function. `host_abi` is the host's LETHE_POLICY_ABI. Null: this plugin cannot
 * serve such a host. The table must outlive the process. */
LETHE_POLICY_EXPORT const lethe_policy_plugin* lethe_policy_plugin_v1(uint32_t host_abi);

#ifdef __cplusplus
}
#endif

#endif /* LETHE_POLICY_H */
