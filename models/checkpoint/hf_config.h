// SPDX-License-Identifier: Apache-2.0
// config.json of a Hugging Face folder, in the spelling of transformers 4 and 5.
#pragma once

#include <filesystem>
#include <string_view>

#include "models/checkpoint/model_config.h"

namespace lethe::models {

/// Reads a config.json. Absent members take the defaults that transformers gives the family.
/// Throws Error(kModel) for a model_type, rope scaling, activation or quantisation that is not
/// known, naming what was found and what exists. What is known need not be supported by a decoder:
/// see require_supported().
ModelConfig read_hf_config(const std::filesystem::path& path);

/// The same from the text of the file; `where` names it in errors.
ModelConfig parse_hf_config(std::string_view text, std::string_view where);

}  // namespace lethe::models
