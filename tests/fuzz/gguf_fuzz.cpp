// SPDX-License-Identifier: Apache-2.0
// GGUF: layout, metadata as every type, tensors dequantised, and the checkpoint they form.
#include <vector>

#include "models/checkpoint/checkpoint.h"
#include "models/checkpoint/generation_defaults.h"
#include "models/checkpoint/gguf.h"
#include "tests/fuzz/fuzz_support.h"

namespace lethe::models {
namespace {

// Ternary formats hold 256 values in 54 bytes: the text limits what is made of it.
std::vector<float> room_for(std::int64_t elements) {
  return std::vector<float>(static_cast<std::size_t>(elements));
}

void read_metadata(const GgufFile& file) {
  for (const char* key : {"general.architecture", "llama.block_count", "llama.rope.freq_base",
                          "tokenizer.ggml.tokens", "tokenizer.ggml.add_bos_token"}) {
    const auto tried = [](auto&& getter) { test::expect_errors(ErrorKind::kModel, getter); };
    tried([&] { (void)file.find_string(key); });
    tried([&] { (void)file.find_integer(key); });
    tried([&] { (void)file.find_number(key); });
    tried([&] { (void)file.find_boolean(key); });
    tried([&] { (void)file.strings(key); });
    tried([&] { (void)file.integers(key); });
  }
}

void read_file(const std::filesystem::path& path) {
  const GgufFile file(path);
  read_metadata(file);
  test::expect_errors(ErrorKind::kModel, [&] { (void)generation_defaults_of(file); });
  for (const GgufTensor& tensor : file.tensors()) {
    if (tensor.data.empty()) continue;
    std::vector<float> values = room_for(tensor.elements());
    file.read(tensor, values);
  }
}

void read_checkpoint(const std::filesystem::path& path) {
  const auto checkpoint = open_checkpoint(path);
  for (const TensorInfo& tensor : checkpoint->tensors()) {
    std::vector<float> values = room_for(tensor.elements());
    test::expect_errors(ErrorKind::kModel, [&] { checkpoint->read(tensor.name, values); });
  }
}

}  // namespace
}  // namespace lethe::models

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  using namespace lethe;
  const test::MemoryFile file(bytes, size);
  test::expect_errors(ErrorKind::kModel, [&] { models::read_file(file.path()); });
  test::expect_errors(ErrorKind::kModel, [&] { models::read_checkpoint(file.path()); });
  return 0;
}
