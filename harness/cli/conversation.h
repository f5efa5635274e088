// SPDX-License-Identifier: Apache-2.0
// A conversation in a file, as a model reads it.
#pragma once

#include <filesystem>
#include <string>

namespace lethe::cli {

/// The text of the conversation in `file` ("-": standard input) by the chat template of the model
/// at `model`. The file holds a list of messages, or an object: `messages`,
/// `add_generation_prompt` (`prompt_by_default` without it), `tools`, and further variables of the
/// template. Throws Error(kModel) for a model without a template, Error(kData) for a file of
/// another form.
std::string render_conversation(const std::filesystem::path& model, const std::string& file,
                                bool prompt_by_default);

}  // namespace lethe::cli
