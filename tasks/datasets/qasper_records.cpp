// SPDX-License-Identifier: Apache-2.0
#include "tasks/datasets/qasper_records.h"

#include <utility>

#include "harness/base/error.h"
#include "harness/base/names.h"

namespace lethe::tasks {

namespace {

std::vector<std::string> texts(ObjectReader& reader, std::string_view name) {
  std::vector<std::string> out;
  for (const auto& item : reader.array(name)) {
    if (!item.is_string()) {
      throw Error(ErrorKind::kData, reader.where(name) + ": expected texts, found " +
                                        std::string(describe_type(item)));
    }
    out.emplace_back(item.get_string());
  }
  return out;
}

std::string article(ObjectReader& paper) {
  std::string text = paper.string("title") + "\n\n" + paper.string("abstract");
  for (const auto& entry : paper.array("full_text")) {
    ObjectReader section(entry, paper.where("full_text"), ErrorKind::kData);
    // Sections without a name are null there.
    const auto* name = section.find("section_name");
    if (name && name->is_string()) text += "\n\n" + std::string(name->get_string());
    for (const auto& paragraph : texts(section, "paragraphs")) text += "\n\n" + paragraph;
  }
  return text;
}

std::string reference(ObjectReader& answer) {
  if (answer.boolean("unanswerable", false)) return "Unanswerable";
  if (const auto spans = texts(answer, "extractive_spans"); !spans.empty()) {
    return join(spans, ", ");
  }
  if (auto free = answer.string("free_form_answer", ""); !free.empty()) return free;
  const auto* yes = answer.find("yes_no");
  if (yes && yes->is_bool()) return yes->get_bool() ? "Yes" : "No";
  throw Error(ErrorKind::kData, answer.where("unanswerable") +
                                    ": expected an answer (extractive_spans, free_form_answer, "
                                    "yes_no or unanswerable), found none");
}

}  // namespace

std::vector<AnswerRecord> qasper_samples(const json::value& value, const std::string& where) {
  ObjectReader paper(value, where, ErrorKind::kData);
  // read_records() puts the name of the paper there.
  const std::string id = paper.string("_key");
  const std::string context = article(paper);
  std::vector<AnswerRecord> samples;
  for (const auto& entry : paper.array("qas")) {
    ObjectReader question(entry, paper.where("qas"), ErrorKind::kData);
    AnswerRecord sample;
    sample.cluster = id;
    sample.id = id + "/" + question.string("question_id");
    sample.fields = {{"title", paper.string("title")},
                     {"context", context},
                     {"input", question.string("question")}};
    for (const auto& given : question.array("answers")) {
      ObjectReader holder(given, question.where("answers"), ErrorKind::kData);
      ObjectReader answer(holder.at("answer"), holder.where("answer"), ErrorKind::kData);
      sample.references.push_back(reference(answer));
    }
    if (sample.references.empty()) {
      throw Error(ErrorKind::kData,
                  question.where("answers") + ": expected at least one answer, found none");
    }
    samples.push_back(std::move(sample));
  }
  return samples;
}

}  // namespace lethe::tasks
