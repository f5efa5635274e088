// SPDX-License-Identifier: Apache-2.0
// Run-time dispatch of hot loops: one source, one clone per instruction set, chosen at load time.
#pragma once

// Sanitizers instrument the resolver before their run time is up, so they run the portable clone.
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && \
    !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define LETHE_HAS_X86_LEVELS 1
/// The function is compiled for AVX-512, AVX2 and plain x86-64. The results are bit-identical:
/// vector widths differ, the order of every sum does not (fixed lanes, no contraction).
#define LETHE_MULTIVERSION \
  __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default"), optimize("O3")))
#else
#define LETHE_HAS_X86_LEVELS 0
#define LETHE_MULTIVERSION
#endif

#if LETHE_HAS_X86_LEVELS
namespace lethe {

/// Levels of the x86-64 psABI: v3 has AVX2 and FMA, v4 AVX-512.
enum class X86Level { kBase, kV3, kV4 };

inline X86Level x86_level() {
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
      __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") &&
      __builtin_cpu_supports("avx512vl")) {
    return X86Level::kV4;
  }
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") ? X86Level::kV3
                                                                         : X86Level::kBase;
}

}  // namespace lethe
#endif
