// SPDX-License-Identifier: Apache-2.0
// One safetensors file: its header, and every array read as every type.
#include "models/checkpoint/safetensors.h"
#include "tests/fuzz/fuzz_support.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  using namespace lethe;
  const test::MemoryFile memory(bytes, size);
  test::expect_errors(ErrorKind::kModel, [&] {
    const models::SafetensorsFile file(memory.path());
    for (const auto& entry : file.entries()) {
      const std::string& name = entry.first;
      const auto tried = [](auto&& getter) { test::expect_errors(ErrorKind::kModel, getter); };
      tried([&] { (void)file.read_f32(name); });
      tried([&] { (void)file.read_f64(name); });
      tried([&] { (void)file.read_i64(name); });
    }
  });
  return 0;
}
