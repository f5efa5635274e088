// SPDX-License-Identifier: Apache-2.0
// model.safetensors.index.json: which file of a sharded checkpoint holds which tensor.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <string_view>

namespace lethe::models {

/// File names by tensor names. The file names are plain: no folder, no "..".
using ShardIndex = std::map<std::string, std::string, std::less<>>;

/// Parses the index; `where` names it in errors. Its metadata (total_size) is not looked at:
/// published files are often wrong there, and the shards say their sizes themselves. Throws
/// Error(kModel) naming tensor and file.
ShardIndex parse_shard_index(std::string_view text, std::string_view where);

}  // namespace lethe::models
