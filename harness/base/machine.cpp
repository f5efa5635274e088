// SPDX-License-Identifier: Apache-2.0
#include "harness/base/machine.h"

#include <fstream>
#include <sstream>

namespace lethe {
namespace {

/// Value of the first line "name<blanks>: value" of a /proc file.
std::string proc_value(const char* file, const std::string& name) {
  std::ifstream in(file);
  for (std::string line; std::getline(in, line);) {
    const auto colon = line.find(':');
    if (line.rfind(name, 0) == 0 && colon != std::string::npos) {
      const auto start = line.find_first_not_of(" \t", colon + 1);
      return start == std::string::npos ? "" : line.substr(start);
    }
  }
  return "";
}

std::int64_t proc_kib(const char* file, const std::string& name) {
  std::istringstream value(proc_value(file, name));
  std::int64_t kib = 0;
  value >> kib;
  return kib;
}

}  // namespace

std::string cpu_name() {
  const std::string name = proc_value("/proc/cpuinfo", "model name");
  return name.empty() ? "unknown" : name;
}

bool cpu_has_bfloat16() {
  std::istringstream flags(proc_value("/proc/cpuinfo", "flags"));
  for (std::string flag; flags >> flag;) {
    if (flag == "avx512_bf16" || flag == "amx_bf16") return true;
  }
  return false;
}

std::int64_t resident_bytes() {
  return proc_kib("/proc/self/status", "VmRSS") * 1024;
}

std::int64_t peak_resident_bytes() {
  return proc_kib("/proc/self/status", "VmHWM") * 1024;
}

void reset_peak_resident_bytes() {
  std::ofstream("/proc/self/clear_refs") << '5';  // proc(5)
}

}  // namespace lethe
