// SPDX-License-Identifier: Apache-2.0
#include "models/checkpoint/hf_checkpoint.h"

#include "harness/base/error.h"
#include "models/checkpoint/dequantize.h"
#include "models/checkpoint/hf_config.h"
#include "models/checkpoint/safetensors.h"

namespace lethe::models {
namespace {

namespace fs = std::filesystem;

// What a folder without the expected file holds instead decides the advice.
std::string advice(const fs::path& folder) {
  if (fs::exists(folder / "model.safetensors.index.json")) {
    return "; its weights are split over several files, which is not supported: save them as one";
  }
  if (fs::exists(folder / "pytorch_model.bin")) {
    return "; it holds pytorch_model.bin: save it again as safetensors";
  }
  for (const auto& item : fs::directory_iterator(folder)) {
    if (item.path().extension() == ".gguf") {
      return "; it holds a GGUF file: give " + item.path().string();
    }
  }
  return "";
}

fs::path expect_file(const fs::path& folder, const char* name) {
  fs::path path = folder / name;
  if (!fs::is_regular_file(path)) {
    throw Error(ErrorKind::kModel, folder.string() +
                                       ": expected a Hugging Face folder with config.json and "
                                       "model.safetensors, found no " +
                                       name + advice(folder));
  }
  return path;
}

class HfCheckpoint final : public Checkpoint {
 public:
  explicit HfCheckpoint(const fs::path& folder)
      : folder_(folder),
        config_(read_hf_config(expect_file(folder, "config.json"))),
        weights_(expect_file(folder, "model.safetensors")) {
    for (const auto& [name, entry] : weights_.entries()) {
      tensors_.push_back({name, entry.shape, entry.dtype});
    }
  }

  const ModelConfig& config() const override { return config_; }
  const std::vector<TensorInfo>& tensors() const override { return tensors_; }
  std::vector<fs::path> files() const override {
    return {folder_ / "config.json", weights_.path()};
  }
  std::string label() const override { return folder_.string(); }

  void read(std::string_view name, std::span<float> out) const override {
    const TensorInfo& tensor = info(name);
    weights_.read_rounded(tensor.name, out);
    require_finite(out, label(), tensor.name);
  }

 private:
  fs::path folder_;
  ModelConfig config_;
  SafetensorsFile weights_;
  std::vector<TensorInfo> tensors_;
};

}  // namespace

std::unique_ptr<Checkpoint> open_hf_checkpoint(const fs::path& folder) {
  return std::make_unique<HfCheckpoint>(folder);
}

}  // namespace lethe::models
