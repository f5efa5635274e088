// SPDX-License-Identifier: Apache-2.0
// The text of a chat template, rendered with one conversation that has every kind of value.
#include "models/tokenizer/jinja.h"
#include "tests/fuzz/fuzz_support.h"

#include "harness/base/text.h"

namespace {

const lethe::json::object& variables() {
  static const lethe::json::object kVariables =
      lethe::parse_json(R"({
        "messages": [{"role": "system", "content": " be brief\n"},
                     {"role": "user", "content": "h\u00e9llo \ud83c\udf0a {{ x }}"},
                     {"role": "assistant", "content": "", "tool_calls": [
                       {"function": {"name": "f", "arguments": {"n": -1, "r": 2.5e-7}}}]}],
        "tools": [{"type": "function", "function": {"name": "f", "strict": true}}],
        "add_generation_prompt": true, "bos_token": "<s>", "eos_token": "</s>", "documents": null
      })",
                        "variables", lethe::ErrorKind::kData)
          .as_object();
  return kVariables;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  using namespace lethe;
  models::jinja::Limits limits;
  limits.steps = 20'000;
  limits.bytes = std::size_t{1} << 20;
  limits.output_bytes = std::size_t{1} << 18;
  std::tm now{};
  now.tm_mday = 1;
  test::expect_errors(ErrorKind::kModel, [&] {
    const models::jinja::Template parsed(
        std::string_view(reinterpret_cast<const char*>(bytes), size), "template", limits);
    const std::string text = parsed.render(variables(), now);
    if (first_invalid_utf8(text)) std::abort();
  });
  return 0;
}
