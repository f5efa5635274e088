/* SPDX-License-Identifier: Apache-2.0
 * The window policy in C99; with BROKEN, tables that no host should take. */
#include <stdlib.h>
#include <string.h>

#include "policies/plugin/lethe_policy.h"

#ifndef BROKEN
#define BROKEN 0
#endif

static void* configure(size_t n, const char* const* keys, const char* const* values,
                       lethe_traits* traits, char* canonical, size_t canonical_size, char* error,
                       size_t error_size) {
  (void)keys;
  (void)values;
  (void)traits;
  if (n > 0) {
    strncpy(error, "this window has no options", error_size);
    return NULL;
  }
  if (canonical_size > 0) canonical[0] = '\0';
  return malloc(1);
}

static void* create(const void* configuration, const lethe_layer* layer, char* error,
                    size_t error_size) {
  (void)configuration;
  (void)layer;
  (void)error;
  (void)error_size;
  return malloc(1);
}

static int select_oldest(void* self, const lethe_view* view, size_t budget, lethe_plan* plan,
                         char* error, size_t error_size) {
  size_t h, i;
  (void)self;
  (void)error;
  (void)error_size;
  for (h = 0; h < view->n_heads; ++h) {
    for (i = 0; i + budget < view->heads[h]->cached; ++i) plan->victims[h][i] = i;
    plan->counts[h] = i;
  }
  return 0;
}

static const lethe_policy_plugin kTable = {BROKEN == 1 ? 8 : sizeof(lethe_policy_plugin),
                                           BROKEN == 2 ? 99u : LETHE_POLICY_ABI,
                                           LETHE_ACCEPTS_SINKS,
                                           BROKEN == 3   ? "No Name!"
                                           : BROKEN == 4 ? "tova"
                                                         : "c-window",
                                           "1.2",
                                           "the newest tokens, in C",
                                           "",
                                           NULL,
                                           configure,
                                           free,
                                           create,
                                           free,
                                           BROKEN == 5 ? NULL : select_oldest,
                                           NULL,
                                           NULL,
                                           NULL,
                                           NULL,
                                           NULL,
                                           NULL};

#if BROKEN != 6
const lethe_policy_plugin* lethe_policy_plugin_v1(uint32_t host_abi) {
  return BROKEN == 7 || host_abi < 1 ? NULL : &kTable;
}
#else
LETHE_POLICY_EXPORT const void* something_else(void);
const void* something_else(void) {
  return &kTable;
}
#endif
