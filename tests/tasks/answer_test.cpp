// SPDX-License-Identifier: Apache-2.0
// Declarations, records, and what an answer task hands to the model and stores of the answer.
#include <set>

#include "harness/base/error.h"
#include "harness/base/text.h"
#include "tasks/answers.h"
#include "tasks/registry.h"
#include "tests/support/catch.h"
#include "tests/support/fixtures.h"
#include "tests/tasks/answering.h"

namespace lethe::tasks {
namespace {

using Catch::Matchers::Contains;
using test::Answering;
using test::run;
using test::TempDir;

const json::object kDeclaration{{"name", "rivers"},
                                {"title", "Rivers"},
                                {"source", "this test"},
                                {"file", "rivers.jsonl"},
                                {"records",
                                 {{"id", "key"},
                                  {"fields", {{"context", "text"}, {"input", "question"}}},
                                  {"references", "answers"}}},
                                {"prompt", "{context}\nQ: {input}\nA:"},
                                {"cut", "document-end"},
                                {"max_new", 20},
                                {"metrics", {"qa_f1_score"}}};

const std::string kRecords =
    R"({"key": "a", "text": "Lethe is a river of the underworld.", "question": "Where?", "answers": ["the underworld", "Hades"]}
{"key": "b", "text": "Styx too.", "question": "Which other?", "answers": "Styx"}
)";

/// A folder with a declaration and records, and the tasks it gives.
class Desk {
 public:
  explicit Desk(json::object more = {}, const std::string& records = kRecords) {
    json::object declaration = kDeclaration;
    for (const auto& [name, value] : more) {
      if (value.is_null()) {
        declaration.erase(name);
      } else {
        declaration[name] = value;
      }
    }
    write("rivers.json", json::serialize(declaration));
    write("rivers.jsonl", records);
  }
  void write(const std::string& name, const std::string& text) const {
    write_file_atomically(folder_ / name, text);
  }
  std::unique_ptr<Task> task(json::object more = {}, std::int64_t length = 100) const {
    json::object options{{"file", (folder_ / "rivers.json").string()},
                         {"data", folder_.path().string()}};
    for (const auto& [name, value] : more) options[name] = value;
    return make_task("rivers", options, length, test::source_dir());
  }

 private:
  TempDir folder_;
};

TEST_CASE("an answer is asked for, scored and stored with all it follows from", "[unit]") {
  const Desk desk;
  const auto task = desk.task();
  CHECK(task->generates());
  CHECK(task->uses_chat_template());
  const auto ran = run(*task, "In the underworld.", "tova", 16);
  CHECK(ran.ids == std::vector<std::string>{"a", "b"});
  REQUIRE(ran.asked.size() == 2);
  CHECK(ran.prompt(1) == "Styx too.\nQ: Which other?\nA:");
  CHECK(ran.asked[0].budget == 16);
  CHECK(ran.asked[0].policy->text == "tova");
  CHECK(ran.asked[0].schedule.prompt == 0);  // that of the request
  CHECK(ran.asked[0].max_new == 20);
  const auto output = ran.output(0);
  CHECK(output.at("text") == "In the underworld.");
  CHECK(output.at("stop") == "end");
  CHECK(output.at("cut").is_null());
  CHECK(output.at("references").as_array().size() == 2);
  REQUIRE(ran.outcomes[0].score);
  CHECK(*ran.outcomes[0].score == Approx(2 * 0.5 / 1.5));  // "in underworld" against "underworld"
  CHECK(ran.outcomes[1].score == 0.0);
  CHECK(rescore("rivers", ran.outcomes[0].output, test::source_dir()) == ran.outcomes[0].score);
}

TEST_CASE("truncate cuts the input to the budget and keeps the cache full", "[unit]") {
  const auto task = Desk().task();
  CHECK(task->cuts_input());
  const auto ran = run(*task, "x", "truncate", 30);
  REQUIRE(ran.asked.size() == 2);
  CHECK(ran.asked[0].policy->text == "full");
  CHECK_FALSE(ran.asked[0].budget);
  CHECK(ran.prompt(0) == "Lethe is a river \nQ: Where?\nA:");
  CHECK(ran.asked[0].prompt.size() == 30);
  CHECK(ran.outcomes[0].tokens_cut == 18);
  CHECK(ran.output(0).at("cut").at("from") == 17);
  CHECK(ran.outcomes[1].tokens_cut == 0);
}

TEST_CASE("a prompt leaves room for the answer where the task says so", "[unit]") {
  const Desk desk({{"reserve_answer", true}});
  const auto full = run(*desk.task({}, 50), "x");
  CHECK(full.asked[0].prompt.size() == 30);  // 20 new ones
  CHECK(full.asked[1].prompt.size() == 28);
  // The budget of truncate is the input's alone.
  CHECK(run(*desk.task({}, 60), "x", "truncate", 30).asked[0].prompt.size() == 30);
  CHECK_THROWS_WITH(desk.task({}, 21), Contains("leaves no prompt") && Contains("20"));
}

TEST_CASE("a question after the cut leaves it to the schedule's prompt", "[unit]") {
  const auto task = Desk().task({{"ask_after_cut", true}});
  const auto ran = run(*task, "x", "tova", 8);
  REQUIRE(ran.asked.size() == 2);
  CHECK(ran.asked[1].schedule.prompt == 9);  // "Styx too."
  CHECK(ran.asked[0].schedule.prompt == 35);
}

TEST_CASE("all questions about a document meet the same part of it", "[unit]") {
  const std::string records =
      R"({"doc": "d", "text": "0123456789012345678901234567890123456789", "qs": [{"q": "why", "a": "x"}, {"q": "where to and what for", "a": "x"}]})";
  const Desk desk({{"records",
                    {{"each", "qs"},
                     {"id", "doc"},
                     {"fields", {{"context", "text"}, {"input", "each.q"}}},
                     {"references", "each.a"}}}},
                  records + "\n");
  const auto ran = run(*desk.task({{"ask_after_cut", true}}, 50), "x", "tova", 8);
  REQUIRE(ran.asked.size() == 2);
  // "\nQ: " and "\nA:" and the longer question leave 22 characters.
  CHECK(ran.asked[0].schedule.prompt == 22);
  CHECK(ran.asked[1].schedule.prompt == 22);
  CHECK(ran.prompt(1).size() == 50);
  CHECK(ran.prompt(0).substr(0, 22) == ran.prompt(1).substr(0, 22));
  // Otherwise each has what fits.
  CHECK(run(*desk.task({}, 50), "x", "tova", 8).prompt(0).size() == 50);
}

TEST_CASE("a sample without a prompt fails the cell after the others are answered", "[fault]") {
  const std::string records =
      R"({"key": "long", "text": "t", "question": "a question that is longer than all the prompt may be", "answers": "x"})"
      "\n" +
      kRecords;
  const auto task = Desk({}, records).task({}, 40);
  const test::ByteTokenizer tokenizer;
  const Answering model("x");
  RunSettings settings;
  settings.policy = policies::known_policies().resolve("full");
  std::vector<std::string> ids{"long", "a", "b"}, ended;
  CHECK_THROWS_WITH(task->run_all(ids, tokenizer, model, settings,
                                  {[] { return false; }, [](const std::string&) { return nullptr; },
                                   [&](const std::string& id, const SampleOutcome& outcome) {
                                     ended.push_back(id);
                                     CHECK(json::parse(outcome.output).at("text") == "x");
                                   }}),
                    Contains("1 of 3 samples") && Contains("sample long"));
  CHECK(ended == std::vector<std::string>{"a", "b"});
}

TEST_CASE("every stored number is computed again, and each has a name of its own", "[unit]") {
  const Desk desk(
      {{"metrics",
        {{{"name", "scrolls_rouge_geometric_mean"}, {"scale", 100}}, "squality_multi_rouge"}}});
  const auto ran = run(*desk.task(), "Styx too");
  const auto output = ran.output(1);
  const auto& scores = output.at("scores").as_object();
  CHECK(scores.at("rouge1").as_double() == Approx(2 * 0.5 / 1.5).epsilon(0).margin(1e-9));
  CHECK(scores.contains("squality_multi_rouge.rouge1"));
  CHECK(scores.contains("squality_multi_rouge.average_over_references_f.rouge1"));
  const auto score = [&](const json::object& changed) {
    return rescore("rivers", json::serialize(changed), test::source_dir());
  };
  CHECK(score(output) == ran.outcomes[1].score);
  auto changed = output;
  changed["scores"].as_object()["rouge1"] = 0.99;
  CHECK_THROWS_WITH(score(changed), Contains("rouge1"));
  changed = output;
  changed["scores"].as_object()["mine"] = 1.0;
  CHECK_THROWS_WITH(score(changed), Contains("mine"));
  changed = output;
  changed["text"] = "Lethe";
  CHECK_THROWS_WITH(score(changed), Contains("answer"));
}

TEST_CASE("answers end where the declaration says, and a first line is scored alone", "[unit]") {
  const auto stopped = run(*Desk({{"stops", {"\n\n"}}}).task(), "Styx\n\nmore");
  CHECK(stopped.output(1).at("text") == "Styx");
  CHECK(stopped.output(1).at("stop") == "stop");
  CHECK(stopped.outcomes[1].score == 1.0);

  const Desk lines({{"answer", "first-line"}, {"end_token_of", "\n"}, {"min_new", 1}});
  const auto first = run(*lines.task(), "\nStyx\nmore");
  CHECK(first.output(1).at("text") == "\nStyx\nmore");
  CHECK(first.output(1).at("answer") == "Styx");
  CHECK(first.outcomes[1].score == 1.0);
  CHECK(first.asked[1].end_ids == std::vector<std::int64_t>{'\n'});
  CHECK(first.asked[1].min_new == 1);
}

TEST_CASE("ROUGE for LongBench gives both numbers, for SCROLLS its three types", "[unit]") {
  const auto scores = [](json::array metrics) {
    const Desk desk({{"metrics", std::move(metrics)}});
    return run(*desk.task(), "Styx").output(1).at("scores").as_object();
  };
  const auto longbench = scores({"rouge_score"});
  CHECK(longbench.contains("rouge_score"));
  CHECK(longbench.contains("rouge_score_unbounded"));
  const auto scrolls = scores({{{"name", "scrolls_rouge_geometric_mean"}, {"scale", 100}}});
  CHECK(scrolls.at("rouge1") == 1.0);
  CHECK(scrolls.contains("rouge2"));
  CHECK(scrolls.at("rougeL") == 1.0);
}

TEST_CASE("identity and samples follow every byte that may change a number", "[unit]") {
  const test::ByteTokenizer tokenizer;
  const auto facts = [&](const Desk& desk, json::object options = {}) {
    const auto task = desk.task(std::move(options));
    json::array hashes;
    for (const auto& sample : task->samples(tokenizer)) hashes.emplace_back(sample.hash);
    return json::serialize(json::array{task->identity(), std::move(hashes)});
  };
  std::set<std::string> seen{facts(Desk())};
  CHECK(seen.contains(facts(Desk())));
  CHECK(seen.contains(facts(Desk(), {{"lanes", 3}})));  // rates alone
  CHECK(seen.insert(facts(Desk({{"prompt", "{context}\nQ: {input}\nA: "}}))).second);
  CHECK(seen.insert(facts(Desk({{"max_new", 21}}))).second);
  CHECK(seen.insert(facts(Desk({{"stops", {"."}}}))).second);
  CHECK(seen.insert(facts(Desk({{"metrics", {"qasper_answer_f1"}}}))).second);
  CHECK(seen.insert(facts(Desk({{"chat", false}}))).second);
  CHECK(seen.insert(facts(Desk({{"version", 2}}))).second);
  CHECK(seen.contains(facts(Desk({}, kRecords + "\n"))));  // how records are packed is nothing
  CHECK(
      seen.insert(facts(Desk({}, std::string(kRecords).replace(kRecords.find("Hades"), 5, "Hell"))))
          .second);
  CHECK(seen.insert(facts(Desk(), {{"records", 1}})).second);
  CHECK(seen.insert(facts(Desk(), {{"ask_after_cut", true}})).second);
  // Where the data lie, and what a report calls it, change nothing that is computed.
  const auto declaration = [&](json::object more) {
    return Desk(std::move(more)).task()->identity().at("declaration_sha256");
  };
  CHECK(declaration({}) == declaration({{"title", "Streams"}}));
}

TEST_CASE("records of equal content under two ids are two samples", "[unit]") {
  const std::string first = kRecords.substr(0, kRecords.find('\n') + 1);
  const Desk desk({}, first + std::string(first).replace(first.find("\"a\""), 3, "\"c\""));
  const auto samples = desk.task()->samples(test::ByteTokenizer());
  REQUIRE(samples.size() == 2);
  CHECK(samples[0].hash != samples[1].hash);
}

TEST_CASE("what a declaration or its options get wrong is named", "[unit]") {
  const auto refused = [](json::object more, json::object options = {}) {
    try {
      Desk(std::move(more)).task(std::move(options));
    } catch (const Error& error) {
      CHECK(error.kind() == ErrorKind::kConfig);
      return std::string(error.what());
    }
    return std::string("nothing");
  };
  CHECK_THAT(refused({{"promt", "x"}}), Contains("rivers.json") && Contains("'prompt'"));
  CHECK_THAT(refused({{"prompt", "{contxt} {input}"}}), Contains("contxt") && Contains("context"));
  CHECK_THAT(refused({{"prompt", "{input}"}}), Contains("{context} once"));
  CHECK_THAT(refused({{"metrics", {"qa_f1"}}}), Contains("qa_f1_score"));
  CHECK_THAT(refused({{"metrics", json::array{}}}), Contains("at least one"));
  CHECK_THAT(refused({{"metrics", {"classification_score"}}}), Contains("all_classes"));
  CHECK_THAT(refused({{"metrics", {"babilong_compare_answers"}}}), Contains("question"));
  CHECK_THAT(refused({{"aggregate", "geometric-mean-of-corpus"}}), Contains("rouge1"));
  CHECK_THAT(refused({{"records", {{"fields", {{"a b", "text"}}}, {"references", "answers"}}}}),
             Contains("letters"));
  CHECK_THAT(refused({{"cut", "midle"}}), Contains("'middle'"));
  CHECK_THAT(refused({{"cut", "middle"}, {"separator", "…"}}), Contains("document-end"));
  CHECK_THAT(refused({{"max_new", nullptr}}), Contains("max_new"));
  CHECK_THAT(refused({{"name", "lakes"}}), Contains("name of the file"));
  CHECK_THAT(refused({{"extends", "rivers"}}), Contains("circle"));
  CHECK_THAT(refused({{"sanity", {{"least", 1}, {"most", 0}}}}), Contains("least < most"));
  CHECK_THAT(refused({}, {{"record", 1}}), Contains("'records'"));
  CHECK_THAT(refused({}, {{"records", 3}}), Contains("at most 2"));
  CHECK_THAT(refused({}, {{"data", "sample"}}), Contains("no records ship"));
  CHECK_THAT(refused({}, {{"data", "dataset"}}), Contains("names no data set"));
  CHECK_THAT(refused({{"cut", "middle"}}, {{"ask_after_cut", true}}), Contains("document-end"));
  CHECK_THROWS_WITH(make_task("longbench-hotpot", {}, 100, test::source_dir()),
                    Contains("longbench-hotpotqa"));
}

TEST_CASE("what is wrong with a record is named with its line", "[unit]") {
  const auto refused = [](const std::string& records) {
    try {
      Desk({}, records).task();
    } catch (const Error& error) {
      CHECK(error.kind() == ErrorKind::kData);
      return std::string(error.what());
    }
    return std::string("nothing");
  };
  const std::string good = kRecords.substr(0, kRecords.find('\n') + 1);
  const auto second = [&](const std::string& line) { return refused(good + line + "\n"); };
  CHECK_THAT(second(R"({"key": "b", "txt": "x", "question": "q", "answers": ["a"]})"),
             Contains("rivers.jsonl:2") && Contains("'text'"));
  CHECK_THAT(second(R"({"key": "b", "text": " \n", "question": "q", "answers": ["a"]})"),
             Contains("rivers.jsonl:2") && Contains("blanks"));
  CHECK_THAT(second(R"({"key": "b", "text": ["x", "y"], "question": "q", "answers": ["a"]})"),
             Contains("one text"));
  CHECK_THAT(second(R"({"key": "b", "text": "x", "question": "q", "answers": []})"),
             Contains("at least one reference"));
  CHECK_THAT(second(R"({"key": "a", "text": "x", "question": "q", "answers": ["a"]})"),
             Contains("twice"));
  CHECK_THAT(second("{\"key\": \"b\", \"text\": \"\xff\"}"), Contains("rivers.jsonl:2"));
  CHECK_THAT(second("{"), Contains("rivers.jsonl:2"));
}

TEST_CASE("lists in a record are joined, or give a sample for every item", "[unit]") {
  const auto fields =
      RecordFields::parse(json::parse(R"({"each": ["general", "special"], "id": "meeting.id",
        "fields": {"context": {"list": "turns", "item": "{who}: {what}"}, "input": "each.query"},
        "references": "each.answers.text", "words": "words"})"),
                          "test");
  const auto record = json::parse(R"({"meeting": {"id": 7}, "words": 12,
    "turns": [{"who": "A", "what": "Hi"}, {"who": "B", "what": "{who}"}],
    "general": [{"query": "one?", "answers": [{"text": "x"}, {"text": "y"}]}],
    "special": [{"query": "two?", "answers": [{"text": "z"}]}]})");
  const auto samples = fields.samples(record, 0, "there");
  REQUIRE(samples.size() == 2);
  CHECK(samples[0].id == "7/0");
  CHECK(samples[1].id == "7/1");
  CHECK(samples[0].cluster == "7");
  CHECK(samples[0].fields.at("context") == "A: Hi\nB: {who}");
  CHECK(samples[1].fields.at("input") == "two?");
  CHECK(samples[0].references == std::vector<std::string>{"x", "y"});
  CHECK(samples[0].words == 12);
  // Numbers are written as Python writes them.
  const auto plain = RecordFields::parse(
      json::parse(R"({"fields": {"Context": "c"}, "references": "r"})"), "test");
  CHECK(plain.samples(json::parse(R"({"c": 7, "r": [93.5, 5.0, -2, 1e22]})"), 0, "there")[0]
            .references == std::vector<std::string>{"93.5", "5.0", "-2", "1e+22"});
  CHECK_THROWS_WITH(RecordFields::parse(json::parse(R"({"fields": {"context": "each.c"},
                                                        "references": "r"})"),
                                        "test"),
                    Contains("\"each\""));
}

TEST_CASE("QASPER's papers give a sample a question, with the annotators' answers", "[unit]") {
  const auto paper = json::parse(R"({"_key": "1909.1", "title": "T", "abstract": "Abs.",
    "full_text": [{"section_name": "Intro", "paragraphs": ["P1", "P2"]},
                  {"section_name": null, "paragraphs": ["P3"]}],
    "qas": [{"question": "Which?", "question_id": "q1", "answers": [
      {"answer": {"unanswerable": false, "extractive_spans": ["a", "b"], "yes_no": null, "free_form_answer": ""}},
      {"answer": {"unanswerable": false, "extractive_spans": [], "yes_no": false, "free_form_answer": ""}},
      {"answer": {"unanswerable": true, "extractive_spans": [], "yes_no": null, "free_form_answer": ""}},
      {"answer": {"unanswerable": false, "extractive_spans": [], "yes_no": null, "free_form_answer": "F"}}]}]})");
  const auto fields = RecordFields::parse(json::parse(R"({"reader": "qasper"})"), "test");
  const auto samples = fields.samples(paper, 0, "there");
  REQUIRE(samples.size() == 1);
  CHECK(samples[0].id == "1909.1/q1");
  CHECK(samples[0].fields.at("context") == "T\n\nAbs.\n\nIntro\n\nP1\n\nP2\n\nP3");
  CHECK(samples[0].references == std::vector<std::string>{"a, b", "No", "Unanswerable", "F"});
}

TEST_CASE("every declared task can be read, and those with a sample made", "[unit]") {
  int samples = 0;
  for (const auto& file : declared_tasks(test::source_dir())) {
    CAPTURE(file.string());
    const auto task = read_answer_declaration(file);
    CHECK_FALSE(task.benchmark.empty());
    CHECK_FALSE(task.dataset.empty());
    if (!task.sample) continue;
    const bool chinese = find_metric(task.metrics.front().name).words == WordsNeeded::kChinese;
    if (chinese && !std::filesystem::exists(test::source_dir() / ".deps" / "jieba")) continue;
    ++samples;
    const auto made = make_task(task.name, {{"data", "sample"}}, 2048, test::source_dir());
    CHECK(made->samples(test::ByteTokenizer()).size() > 3);
  }
  CHECK(samples >= 15);
}

}  // namespace
}  // namespace lethe::tasks
