// SPDX-License-Identifier: Apache-2.0
// Run-time dispatch of hot loops: one source, one clone per instruction set, chosen at load time.
#pragma once

// Sanitizers instrument the resolver before their run time is up, so they run the portable clone.
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && \
    !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
/// The function is compiled for AVX-512, AVX2 and plain x86-64. The results are bit-identical:
/// vector widths differ, the order of every sum does not (fixed lanes, no contraction).
#define LETHE_MULTIVERSION \
  __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default"), optimize("O3")))
#else
#define LETHE_MULTIVERSION
#endif
