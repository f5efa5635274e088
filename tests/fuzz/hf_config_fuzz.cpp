// SPDX-License-Identifier: Apache-2.0
// config.json of every family; the same text as generation_config.json.
#include "models/checkpoint/generation_defaults.h"
#include "models/checkpoint/hf_config.h"
#include "tests/fuzz/fuzz_support.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  using namespace lethe;
  const std::string_view text(reinterpret_cast<const char*>(bytes), size);
  test::expect_errors(ErrorKind::kModel, [&] {
    const models::ModelConfig config = models::parse_hf_config(text, "config.json");
    if (!(config == config)) std::abort();  // not a number
    for (std::int64_t layer = 0; layer < config.n_layers; ++layer) {
      (void)config.window_of_layer(layer);
    }
    models::require_supported(config, "config.json");
  });
  test::expect_errors(ErrorKind::kModel, [&] {
    models::GenerationDefaults defaults;
    models::parse_generation_defaults(text, "generation_config.json", defaults);
  });
  return 0;
}
