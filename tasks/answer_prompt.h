// SPDX-License-Identifier: Apache-2.0
// A record as the model reads it: template, cut, chat template, tokens.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "models/tokenizer/chat_template.h"
#include "models/tokenizer/tokenizer.h"
#include "tasks/answer_declaration.h"

namespace lethe::tasks {

/// Tokens that were taken out of a prompt.
struct PromptCut {
  std::int64_t from = 0;    ///< index of the first, in the prompt as it was
  std::int64_t tokens = 0;  ///< how many
};

struct AnswerPrompt {
  std::vector<std::int64_t> tokens;
  std::string text;  ///< what the tokens stand for, chat template and all
  std::optional<PromptCut> cut;
  std::int64_t bos_count = 0;  ///< BOS tokens at the head, one after another
  /// Tokens of the document that are left, where it lost its end.
  std::optional<std::int64_t> document_kept;
};

/// The prompt of `record` in at most `limit` tokens.
///
/// CutRule::kMiddle is pred.py of LongBench, token for token: the filled template, tokenised with
/// what the tokenizer puts around a text; where it has more than `limit` tokens, the first and the
/// last limit / 2 of them, each decoded without special tokens, are put together; only then comes
/// the chat template, and the text is tokenised again. So a prompt may end up some tokens longer
/// than the limit. Unlike there, a BOS that the chat template has written is not doubled.
///
/// CutRule::kDocumentEnd: the document loses tokens from its end until the whole prompt, chat
/// template included, has at most `limit` tokens.
///
/// With `strictly`, no prompt is longer than the limit under either rule. Of a document that is cut
/// at its end, no more than `most_document` tokens are left.
///
/// `chat` may be null: the model has no template, or the task wants none. Throws Error(kData) where
/// a prompt without its document is too long already, or its BOS count is not what the tokenizer
/// asks for.
AnswerPrompt make_answer_prompt(const AnswerDeclaration& task, const AnswerRecord& record,
                                std::int64_t limit, bool strictly,
                                const models::Tokenizer& tokenizer,
                                const models::ChatTemplate* chat,
                                std::optional<std::int64_t> most_document = {});

/// How many of `prompt`'s tokens are the same whatever is asked about the document: those before
/// what follows it in the template. A token that joins the two is not counted. Throws
/// Error(kConfig) where a middle was cut out, or nothing of what follows is found again.
std::int64_t tokens_before_question(const AnswerDeclaration& task, const AnswerRecord& record,
                                    const AnswerPrompt& prompt, const models::Tokenizer& tokenizer);

/// A prompt around its document: for a document that is made of tokens, not of text.
struct PromptFrame {
  std::vector<std::int64_t> head, tail;  ///< tokens before and behind the document
  std::string head_text, tail_text;      ///< what they stand for, chat template and all
  std::int64_t bos_count = 0;            ///< BOS tokens at the head, one after another
};

/// The prompt of `record`, whose document counts for nothing, apart from it. Head and tail are
/// tokenised by themselves, so that lengths add up; no token joins one of them with the document.
/// `chat` and errors as in make_answer_prompt().
PromptFrame make_prompt_frame(const AnswerDeclaration& task, const AnswerRecord& record,
                              const models::Tokenizer& tokenizer, const models::ChatTemplate* chat);

/// The template with the record's fields in it.
std::string filled_prompt(const AnswerDeclaration& task, const AnswerRecord& record);

}  // namespace lethe::tasks
