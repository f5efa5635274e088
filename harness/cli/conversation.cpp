// SPDX-License-Identifier: Apache-2.0
#include "harness/cli/conversation.h"

#include <ctime>

#include "harness/base/clock.h"
#include "harness/base/error.h"
#include "harness/base/json.h"
#include "harness/base/text.h"
#include "harness/cli/output.h"
#include "models/tokenizer/chat_template.h"

namespace lethe::cli {

std::string render_conversation(const std::filesystem::path& model, const std::string& file,
                                bool prompt_by_default) {
  const std::string where = file == "-" ? "standard input" : file;
  const json::value value = parse_json(read_input(file), where, ErrorKind::kData);
  models::ChatOptions options;
  options.add_generation_prompt = prompt_by_default;
  const std::time_t now = system_clock().unix_ms() / 1000;
  localtime_r(&now, &options.now.emplace());
  const json::value* messages = &value;
  if (const json::object* object = value.if_object()) {
    ObjectReader reader(value, where, ErrorKind::kData);
    messages = &reader.at("messages");
    options.add_generation_prompt = reader.boolean("add_generation_prompt", prompt_by_default);
    if (const json::value* tools = reader.find("tools")) options.tools = *tools;
    options.variables = *object;
    for (const char* known : {"messages", "add_generation_prompt", "tools"}) {
      options.variables.erase(known);
    }
  }
  if (!messages->is_array()) {
    throw Error(ErrorKind::kData, where + ": expected a list of messages, found " +
                                      std::string(describe_type(*messages)));
  }
  for (std::size_t i = 0; i < messages->get_array().size(); ++i) {
    const json::value& message = messages->get_array()[i];
    if (!message.is_object()) {
      throw Error(ErrorKind::kData, where + ": messages[" + std::to_string(i) +
                                        "]: expected an object with \"role\" and \"content\", "
                                        "found " +
                                        std::string(describe_type(message)));
    }
  }
  const bool with_tools = options.tools && !options.tools->is_null();
  const auto chat = models::open_chat_template(model, with_tools);
  if (!chat) {
    throw Error(ErrorKind::kModel,
                model.string() +
                    ": expected a model with a chat template, found none; a base model has no "
                    "format for conversations");
  }
  return chat->render(*messages, options);
}

}  // namespace lethe::cli
