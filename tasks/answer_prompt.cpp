// SPDX-License-Identifier: Apache-2.0
#include "tasks/answer_prompt.h"

#include <algorithm>
#include <ctime>
#include <span>

#include "harness/base/error.h"
#include "harness/base/text.h"
#include "models/tokenizer/text_stream.h"

namespace lethe::tasks {

namespace {

/// Templates that print today's date (Llama 3.1) would give other prompts every day. This is the
/// date that they fall back on themselves.
std::tm fixed_date() {
  std::tm date{};
  date.tm_year = 2024 - 1900;
  date.tm_mon = 6;
  date.tm_mday = 26;
  date.tm_wday = 5;
  date.tm_yday = 207;
  return date;
}

std::string in_chat(const std::string& prompt, const models::ChatTemplate* chat) {
  if (!chat) return prompt;
  models::ChatOptions options;
  options.add_generation_prompt = true;
  options.now = fixed_date();
  return chat->render(json::array{{{"role", "user"}, {"content", prompt}}}, options);
}

/// As transformers tokenises a prompt: special tokens are parsed, and what the tokenizer puts
/// around a text stands there. A BOS that the text begins with already is not doubled.
std::vector<std::int64_t> tokens_of(const std::string& text, const models::Tokenizer& tokenizer) {
  auto tokens = tokenizer.encode_with_special(text, std::nullopt, /*parse_special=*/true).ids;
  const auto bos = tokenizer.bos_id();
  if (bos && tokenizer.adds_bos() && tokens.size() > 1 && tokens[0] == *bos && tokens[1] == *bos) {
    tokens.erase(tokens.begin());
  }
  return tokens;
}

std::string decoded(std::span<const std::int64_t> tokens, const models::Tokenizer& tokenizer) {
  return tokenizer.decode_text({tokens.begin(), tokens.end()}, /*skip_special=*/true);
}

std::int64_t size_of(const std::vector<std::int64_t>& tokens) {
  return static_cast<std::int64_t>(tokens.size());
}

/// Tokens that two lists begin with alike.
std::int64_t common_prefix(const std::vector<std::int64_t>& a, const std::vector<std::int64_t>& b) {
  return std::mismatch(a.begin(), a.end(), b.begin(), b.end()).first - a.begin();
}

/// `text` with the record's fields in it.
std::string filled(std::string_view text, const AnswerRecord& record) {
  return fill_template(text, [&](std::string_view name) -> std::optional<std::string> {
    const auto found = record.fields.find(std::string(name));
    if (found == record.fields.end()) return std::nullopt;
    return found->second;
  });
}

/// How many BOS tokens a prompt begins with. Throws Error(kData) for another number than the
/// tokenizer asks for.
std::int64_t checked_bos(const std::vector<std::int64_t>& tokens,
                         const models::Tokenizer& tokenizer, const AnswerRecord& record) {
  std::int64_t count = 0;
  if (const auto bos = tokenizer.bos_id()) {
    count = std::find_if(tokens.begin(), tokens.end(), [&](auto id) { return id != *bos; }) -
            tokens.begin();
  }
  if (count > 1 || (tokenizer.adds_bos() && count == 0)) {
    throw Error(ErrorKind::kData,
                "sample " + record.id + ": expected " +
                    (tokenizer.adds_bos() ? "one BOS token" : "at most one BOS token") +
                    " at the head of the prompt, found " + std::to_string(count) +
                    "; the chat template or the text writes its own");
  }
  return count;
}

class Builder {
 public:
  Builder(const AnswerDeclaration& task, const AnswerRecord& record,
          const models::Tokenizer& tokenizer, const models::ChatTemplate* chat,
          std::optional<std::int64_t> most_document)
      : task_(task),
        record_(record),
        tokenizer_(tokenizer),
        chat_(task.chat ? chat : nullptr),
        most_document_(most_document) {}

  AnswerPrompt build(std::int64_t limit) const {
    AnswerPrompt prompt;
    prompt.text =
        task_.cut == CutRule::kMiddle ? cut_middle(limit, prompt) : cut_document(limit, prompt);
    prompt.bos_count = checked_bos(prompt.tokens, tokenizer_, record_);
    return prompt;
  }

 private:
  std::string cut_middle(std::int64_t limit, AnswerPrompt& prompt) const {
    std::string text = filled_prompt(task_, record_);
    const auto whole = tokens_of(text, tokenizer_);
    const std::int64_t half = limit / 2;
    if (size_of(whole) > limit) {
      const std::span all(whole);
      const auto part = static_cast<std::size_t>(half);
      text = decoded(all.first(part), tokenizer_) + decoded(all.last(part), tokenizer_);
      prompt.cut = PromptCut{half, size_of(whole) - 2 * half};
    }
    text = in_chat(text, chat_);
    prompt.tokens = tokens_of(text, tokenizer_);
    return text;
  }

  std::string with_document(const std::string& document) const {
    AnswerRecord record = record_;
    record.fields[task_.document] = document;
    return in_chat(filled_prompt(task_, record), chat_);
  }

  std::string cut_document(std::int64_t limit, AnswerPrompt& prompt) const {
    const std::string& document = record_.fields.at(task_.document);
    std::string text = with_document(document);
    prompt.tokens = tokens_of(text, tokenizer_);
    if (size_of(prompt.tokens) <= limit && !most_document_) return text;
    const auto whole = prompt.tokens;
    const auto of_document = tokenizer_.encode(document, /*parse_special=*/true);
    auto keep = size_of(of_document);
    if (most_document_ && *most_document_ < keep) {
      keep = *most_document_;
      text = shortened(of_document, keep);
      prompt.tokens = tokens_of(text, tokenizer_);
    }
    // What the cut changes around it (a token that joins two texts) is a token or two, so this ends
    // after two or three rounds.
    while (size_of(prompt.tokens) > limit) {
      keep -= std::min(keep, size_of(prompt.tokens) - limit);
      if (keep == 0) {
        throw Error(ErrorKind::kData, "sample " + record_.id +
                                          ": the prompt without its document has more than " +
                                          with_thousands(limit) +
                                          " tokens; choose a longer length or a larger budget");
      }
      text = shortened(of_document, keep);
      prompt.tokens = tokens_of(text, tokenizer_);
    }
    if (keep == size_of(of_document)) return text;
    prompt.document_kept = keep;
    prompt.cut =
        PromptCut{common_prefix(whole, prompt.tokens), size_of(whole) - size_of(prompt.tokens)};
    return text;
  }

  /// The prompt with the first `keep` tokens of the document.
  std::string shortened(const std::vector<std::int64_t>& document, std::int64_t keep) const {
    std::string kept = tokenizer_.decode(
        {document.begin(), document.begin() + static_cast<std::ptrdiff_t>(keep)}, false);
    kept.resize(kept.size() - models::incomplete_utf8(kept));
    return with_document(models::printable_utf8(kept) + task_.separator);
  }

  const AnswerDeclaration& task_;
  const AnswerRecord& record_;
  const models::Tokenizer& tokenizer_;
  const models::ChatTemplate* chat_;
  std::optional<std::int64_t> most_document_;
};

}  // namespace

std::string filled_prompt(const AnswerDeclaration& task, const AnswerRecord& record) {
  return filled(task.prompt, record);
}

AnswerPrompt make_answer_prompt(const AnswerDeclaration& task, const AnswerRecord& record,
                                std::int64_t limit, bool strictly,
                                const models::Tokenizer& tokenizer,
                                const models::ChatTemplate* chat,
                                std::optional<std::int64_t> most_document) {
  const Builder builder(task, record, tokenizer, chat, most_document);
  auto prompt = builder.build(limit);
  for (std::int64_t cut_to = limit; strictly && size_of(prompt.tokens) > limit;) {
    cut_to -= size_of(prompt.tokens) - limit;
    if (cut_to < 2) {
      throw Error(ErrorKind::kData, "sample " + record.id + ": nothing of the prompt fits into " +
                                        with_thousands(limit) +
                                        " tokens beside the chat template; choose a larger budget");
    }
    prompt = builder.build(cut_to);
  }
  return prompt;
}

PromptFrame make_prompt_frame(const AnswerDeclaration& task, const AnswerRecord& record,
                              const models::Tokenizer& tokenizer,
                              const models::ChatTemplate* chat) {
  // Stands for the document while the chat template is filled in: no prompt has this character.
  const std::string mark = "\xEF\xB7\x90";  // U+FDD0, not a character
  AnswerRecord marked = record;
  marked.fields[task.document] = mark;
  const std::string text = in_chat(filled_prompt(task, marked), task.chat ? chat : nullptr);
  const auto place = text.find(mark);
  if (place == text.npos || text.find(mark, place + 1) != text.npos) {
    throw Error(ErrorKind::kConfig, "task " + task.name +
                                        ": expected the document once in the prompt, as the chat "
                                        "template gives it, found it " +
                                        (place == text.npos ? "nowhere" : "more than once"));
  }
  PromptFrame frame;
  frame.head_text = text.substr(0, place);
  frame.tail_text = text.substr(place + mark.size());
  frame.head = tokens_of(frame.head_text, tokenizer);
  frame.tail = tokenizer.encode(frame.tail_text, /*parse_special=*/true);
  frame.bos_count = checked_bos(frame.head, tokenizer, record);
  return frame;
}

std::int64_t tokens_before_question(const AnswerDeclaration& task, const AnswerRecord& record,
                                    const AnswerPrompt& prompt,
                                    const models::Tokenizer& tokenizer) {
  if (task.cut == CutRule::kMiddle) {
    throw Error(ErrorKind::kConfig, "task " + task.name +
                                        ": ask_after_cut needs a document that is cut at its end "
                                        "(\"cut\": \"document-end\"); a middle may lie in the "
                                        "question");
  }
  const auto after = task.prompt.find("{" + task.document + "}") + task.document.size() + 2;
  const std::string tail = filled(std::string_view(task.prompt).substr(after), record);
  // A chat template may strip what the prompt ends with.
  const auto last = tail.find_last_not_of(" \n\t\r");
  const auto place =
      last == tail.npos ? last : prompt.text.rfind(std::string_view(tail).substr(0, last + 1));
  if (place == tail.npos) {
    throw Error(ErrorKind::kConfig, "task " + task.name + ": sample " + record.id +
                                        ": ask_after_cut: nothing of what follows the document is "
                                        "found in the prompt as the chat template gives it");
  }
  return common_prefix(tokens_of(prompt.text.substr(0, place), tokenizer), prompt.tokens);
}

}  // namespace lethe::tasks
