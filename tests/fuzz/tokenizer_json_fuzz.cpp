// SPDX-License-Identifier: Apache-2.0
// tokenizer.json, and texts through what it describes.
#include <string>

#include "models/tokenizer/tokenizer_json.h"
#include "tests/fuzz/fuzz_support.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  using namespace lethe;
  const std::string_view text(reinterpret_cast<const char*>(bytes), size);
  models::HfTokenizerConfig config;
  test::expect_errors(ErrorKind::kModel, [&] {
    models::parse_hf_tokenizer_config(text, "tokenizer_config.json", config);
  });
  test::expect_errors(ErrorKind::kModel, [&] {
    const auto tokenizer = models::make_json_tokenizer(text, "tokenizer.json", {});
    const std::string_view texts[] = {"", " Hello,  w\xc3\xb6rld! 123 don't\n\n\t",
                                      "<s>[MASK] \xe2\x96\x81x \xe4\xb8\xad\xe6\x96\x87 e\xcc\x81 "
                                      "\xf0\x9f\x98\x80</s>"};
    for (const auto sample : texts) {
      for (const bool special : {false, true}) {
        const auto encoding = tokenizer->encode_with_special(sample, "pair", special);
        if (encoding.ids.size() != encoding.type_ids.size()) std::abort();
        // What is encoded can be decoded.
        (void)tokenizer->decode(encoding.ids, special);
      }
    }
  });
  return 0;
}
