// SPDX-License-Identifier: Apache-2.0
#include "harness/runner/memory_line.h"

namespace lethe::runner {

bool MemoryLine::at_least(const MemoryLine& other) const {
  return line == other.line && length >= other.length &&
         (!budget || (other.budget && *budget >= *other.budget));
}

MemoryLine memory_line(const json::object& inputs) {
  MemoryLine out;
  json::object rest = inputs;
  if (const auto* budget = rest.if_contains("budget"); budget && budget->is_int64()) {
    out.budget = budget->get_int64();
  }
  if (const auto* length = rest.if_contains("length"); length && length->is_int64()) {
    out.length = length->get_int64();
  }
  // Samples, the task's identity and the angles change with the length.
  for (const char* name : {"budget", "length", "samples", "rope_angles"}) rest.erase(name);
  if (auto* task = rest.if_contains("task"); task && task->is_object()) {
    task->get_object().erase("identity");
  }
  out.line = canonical_json(rest);
  return out;
}

}  // namespace lethe::runner
