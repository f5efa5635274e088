// SPDX-License-Identifier: Apache-2.0
#include "models/checkpoint/checkpoint.h"

#include <algorithm>

#include "harness/base/error.h"
#include "harness/base/names.h"
#include "models/checkpoint/gguf_checkpoint.h"
#include "models/checkpoint/hf_checkpoint.h"

namespace lethe::models {
namespace {

const TensorInfo* find_tensor(const std::vector<TensorInfo>& tensors, std::string_view name) {
  const auto found = std::ranges::lower_bound(tensors, name, {}, &TensorInfo::name);
  return found != tensors.end() && found->name == name ? &*found : nullptr;
}

std::string shape_text(std::span<const std::int64_t> shape) {
  std::vector<std::string> extents;
  for (const std::int64_t extent : shape) extents.push_back(std::to_string(extent));
  return "[" + join(extents, ", ") + "]";
}

}  // namespace

std::int64_t TensorInfo::elements() const {
  std::int64_t product = 1;
  for (const std::int64_t extent : shape) product *= extent;
  return product;
}

bool Checkpoint::has(std::string_view name) const {
  return find_tensor(tensors(), name) != nullptr;
}

const TensorInfo& Checkpoint::info(std::string_view name) const {
  if (const TensorInfo* found = find_tensor(tensors(), name)) return *found;
  std::vector<std::string> known;
  for (const TensorInfo& tensor : tensors()) known.push_back(tensor.name);
  // The whole list would bury the message: a model has hundreds of tensors.
  const auto near = closest_name(name, known);
  throw Error(ErrorKind::kModel,
              label() + ": expected tensor '" + stored_name(name) + "', found " +
                  std::to_string(known.size()) + " tensors without it" +
                  (near ? "; the nearest is '" + stored_name(*near) + "'" : std::string()) +
                  "; the file is incomplete or of another model");
}

void Checkpoint::expect_shape(std::string_view name, std::span<const std::int64_t> shape) const {
  const TensorInfo& tensor = info(name);
  if (std::ranges::equal(tensor.shape, shape)) return;
  throw Error(ErrorKind::kModel, file_of(name) + ": tensor '" + stored_name(name) +
                                     "': expected shape " + shape_text(shape) + ", found " +
                                     shape_text(tensor.shape) +
                                     "; the weights do not belong to this configuration");
}

std::unique_ptr<Checkpoint> open_checkpoint(const std::filesystem::path& path) {
  std::error_code ignored;
  if (std::filesystem::is_directory(path, ignored)) return open_hf_checkpoint(path);
  if (!std::filesystem::exists(path, ignored)) {
    throw Error(ErrorKind::kModel, path.string() +
                                       ": expected a GGUF file or a Hugging Face folder, found no "
                                       "such file or folder");
  }
  if (path.extension() == ".safetensors") {
    throw Error(ErrorKind::kModel,
                path.string() +
                    ": expected a GGUF file or a Hugging Face folder, found a single weight file; "
                    "give the folder that also holds config.json");
  }
  return open_gguf_checkpoint(path);
}

std::vector<std::filesystem::path> checkpoint_files(const std::filesystem::path& path) {
  if (std::filesystem::is_directory(path)) return hf_checkpoint_files(path);
  return {path};
}

}  // namespace lethe::models
