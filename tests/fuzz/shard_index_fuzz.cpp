// SPDX-License-Identifier: Apache-2.0
// model.safetensors.index.json: no file name in it leads out of the checkpoint's folder.
#include "models/checkpoint/shard_index.h"
#include "tests/fuzz/fuzz_support.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  using namespace lethe;
  const std::string_view text(reinterpret_cast<const char*>(bytes), size);
  test::expect_errors(ErrorKind::kModel, [&] {
    const std::filesystem::path folder = "/model";
    for (const auto& [tensor, name] : models::parse_shard_index(text, "index")) {
      if ((folder / name).lexically_normal().parent_path() != folder) std::abort();
    }
  });
  return 0;
}
