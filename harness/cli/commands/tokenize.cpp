// SPDX-License-Identifier: Apache-2.0
#include <iostream>

#include "harness/base/error.h"
#include "harness/base/text.h"
#include "harness/cli/commands/commands.h"
#include "harness/cli/conversation.h"
#include "harness/cli/models.h"
#include "harness/cli/output.h"
#include "harness/cli/token_ids.h"
#include "models/tokenizer/tokenizer.h"

namespace lethe::cli {

namespace {

struct Settings {
  bool decode = false;
  bool no_special = false;
};

json::array ids_array(const std::vector<std::int64_t>& ids) {
  return json::array(ids.begin(), ids.end());
}

/// Each line an object: "text" gains "ids", or with --decode "ids" gains "text".
void run_lines(const models::Tokenizer& tokenizer, const Settings& settings) {
  std::string line;
  for (int number = 1; std::getline(std::cin, line); ++number) {
    if (line.empty()) continue;
    const std::string where = "standard input, line " + std::to_string(number);
    auto value = parse_json(line, where, ErrorKind::kData);
    ObjectReader reader(value, where, ErrorKind::kData);
    if (settings.decode) {
      const auto ids = ids_from_json(reader.array("ids"), where, tokenizer.vocab_size());
      value.as_object()["text"] =
          models::printable_utf8(tokenizer.decode(ids, settings.no_special));
    } else {
      const auto ids = tokenizer.encode(reader.string("text"), !settings.no_special);
      value.as_object()["ids"] = ids_array(ids);
    }
    print_json(value);
  }
}

void run_whole(const models::Tokenizer& tokenizer, const Settings& settings, bool as_json) {
  const std::string input = read_standard_input();
  if (settings.decode) {
    const auto ids = parse_token_ids(input, "standard input", tokenizer.vocab_size());
    const std::string bytes = tokenizer.decode(ids, settings.no_special);
    if (as_json) {
      print_json({{"text", models::printable_utf8(bytes)}, {"tokens", ids.size()}});
    } else {
      std::cout << bytes;
    }
    return;
  }
  if (input.empty()) {
    throw Error(ErrorKind::kData,
                "the text on standard input is empty; expected at least one byte");
  }
  check_utf8(input, "standard input");
  const auto ids = tokenizer.encode(input, !settings.no_special);
  if (as_json) {
    print_json({{"ids", ids_array(ids)}, {"tokens", ids.size()}});
  } else {
    std::cout << format_token_ids(ids) << '\n';
  }
}

int run_chat(const Options& options) {
  for (const char* other : {"decode", "no-special", "jsonl"}) {
    if (options.has(other)) {
      throw Error(ErrorKind::kUsage, std::string("--chat and --") + other + " exclude each other");
    }
  }
  const auto path = tokenizer_path(options.text("model"));
  const std::string text = render_conversation(path, options.text("chat"), false);
  if (options.has("text")) {
    if (options.has("json")) {
      print_json({{"text", text}});
    } else {
      std::cout << text;
    }
    return kExitOk;
  }
  const auto ids = models::open_tokenizer(path)->encode(text, true);
  if (options.has("json")) {
    print_json({{"text", text}, {"ids", ids_array(ids)}, {"tokens", ids.size()}});
  } else {
    std::cout << format_token_ids(ids) << '\n';
  }
  return kExitOk;
}

int run(const Options& options) {
  if (options.has("chat")) return run_chat(options);
  if (options.has("text")) {
    throw Error(ErrorKind::kUsage, "--text says what --chat prints; it needs --chat FILE");
  }
  const auto tokenizer = models::open_tokenizer(tokenizer_path(options.text("model")));
  const Settings settings{options.has("decode"), options.has("no-special")};
  if (options.has("jsonl")) {
    if (options.has("json")) {
      throw Error(ErrorKind::kUsage, "--jsonl and --json exclude each other");
    }
    run_lines(*tokenizer, settings);
  } else {
    run_whole(*tokenizer, settings, options.has("json"));
  }
  return kExitOk;
}

}  // namespace

Command tokenize_command() {
  CommandSpec spec;
  spec.name = "tokenize";
  spec.summary = "text on standard input to token ids, or back";
  spec.description =
      "Prints the ids of the text on one line. Text of special tokens (<|im_start|>) becomes the\n"
      "token unless --no-special is given. No BOS token is added.\n"
      "--chat reads a JSON list of messages, or an object with \"messages\", "
      "\"add_generation_prompt\",\n\"tools\" and further variables of the template.";
  spec.options = {
      {"model", "MODEL", "registered name, GGUF file or Hugging Face folder"},
      {"decode", "", "ids in, text out (the exact bytes)"},
      {"no-special", "", "treat text of special tokens as text; with --decode, leave them out"},
      {"jsonl", "", "lines {\"text\": …} gain \"ids\"; with --decode, {\"ids\": …} gain \"text\""},
      {"chat", "FILE",
       "a conversation, [{\"role\": …, \"content\": …}, …], through the model's own template; -: "
       "standard input"},
      {"text", "", "with --chat: print the text of the template, not its ids"},
      {"json", "", "print one JSON object"}};
  spec.examples = {
      {"ids of a text", "printf 'The river of forgetting' | lethe tokenize --model smollm2-135m"},
      {"and back", "echo '504 7563' | lethe tokenize --model smollm2-135m --decode"},
      {"a conversation as the model's own template writes it",
       "echo '[{\"role\": \"user\", \"content\": \"Who drinks of Lethe?\"}]' | lethe tokenize "
       "--model smollm2-135m --chat - --text"},
      {"many texts", "echo '{\"text\": \"Lethe\"}' | lethe tokenize --model smollm2-135m --jsonl"}};
  return {spec, run, {}};
}

}  // namespace lethe::cli
