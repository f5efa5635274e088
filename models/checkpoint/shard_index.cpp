// SPDX-License-Identifier: Apache-2.0
#include "models/checkpoint/shard_index.h"

#include "harness/base/error.h"
#include "harness/base/json.h"

namespace lethe::models {
namespace {

// A name leads into the checkpoint's own folder and nowhere else.
bool is_plain_file_name(std::string_view name) {
  constexpr std::string_view kEnding = ".safetensors";
  constexpr std::size_t kLongest = 255;
  return name.size() > kEnding.size() && name.size() <= kLongest && name.ends_with(kEnding) &&
         name.front() != '.' && name.find_first_of(std::string_view("/\\\0", 3)) == name.npos;
}

}  // namespace

ShardIndex parse_shard_index(std::string_view text, std::string_view where) {
  const json::value parsed = parse_json(text, where, ErrorKind::kModel);
  ObjectReader reader(parsed, std::string(where), ErrorKind::kModel);
  const json::value& map = reader.at("weight_map");
  if (!map.is_object()) {
    throw Error(ErrorKind::kModel, reader.where("weight_map") + ": expected an object, found " +
                                       std::string(describe_type(map)));
  }
  ShardIndex index;
  for (const auto& [tensor, file] : map.get_object()) {
    if (!file.is_string() || !is_plain_file_name(std::string_view(file.get_string()))) {
      throw Error(ErrorKind::kModel,
                  reader.where("weight_map") + ": tensor '" + std::string(tensor) +
                      "': expected the name of a .safetensors file beside the index, found " +
                      json::serialize(file));
    }
    index.emplace(tensor, file.get_string());
  }
  if (index.empty()) {
    throw Error(ErrorKind::kModel,
                reader.where("weight_map") + ": expected tensors, found an empty object");
  }
  return index;
}

}  // namespace lethe::models
