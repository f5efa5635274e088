// SPDX-License-Identifier: Apache-2.0
// Sentences, bAbI's questions, and facts among background: whole, in order, at borders, streamed.
#include <algorithm>
#include <array>
#include <memory>

#include "harness/base/clock.h"
#include "harness/base/error.h"
#include "harness/base/machine.h"
#include "harness/base/text.h"
#include "models/tokenizer/tokenizer.h"
#include "tasks/datasets/pg19_books.h"
#include "tasks/datasets/sentences.h"
#include "tasks/memory/babilong.h"
#include "tests/support/catch.h"
#include "tests/support/fixtures.h"
#include "tests/tasks/fake_model.h"

namespace lethe::tasks {
namespace {

using Catch::Matchers::Contains;
using test::TempDir;
using Ids = std::vector<std::int64_t>;

const std::vector<std::string> kPlaceNames{"bathroom", "bedroom", "garden",
                                           "hallway",  "kitchen", "office"};

BabiQuestion story(std::size_t facts) {
  BabiQuestion question;
  for (std::size_t i = 0; i < facts; ++i) {
    question.facts.push_back("Mary went to place " + std::to_string(i) + ".");
  }
  question.question = "Where is Mary?";
  question.answer = "office";
  return question;
}

/// So many sentences of different lengths.
std::string prose(int sentences) {
  std::string text;
  for (int i = 0; i < sentences; ++i) {
    text += "Sentence " + std::to_string(i) + " has" +
            std::string(static_cast<std::size_t>(i) % 7, 'x') + " words\nand an end. ";
  }
  return text;
}

std::shared_ptr<const Background> background_of(const std::string& text,
                                                const models::Tokenizer& tokenizer) {
  auto background = std::make_shared<Background>();
  background->add(text, SentenceTokens(tokenizer));
  return background;
}

Ids all_of(const BabilongText& text) {
  Ids tokens(static_cast<std::size_t>(text.tokens()));
  text.fill(0, tokens);
  return tokens;
}

TEST_CASE("sentences end where the rule says", "[unit]") {
  using List = std::vector<std::string_view>;
  CHECK(split_sentences("One went. Two came!  \"Three?\" he said\nand left.") ==
        List{"One went.", "Two came!", "\"Three?\"", "he said\nand left."});
  CHECK(split_sentences("Mr. Smith met J. Smith (in 1914.) He ran.") ==
        List{"Mr.", "Smith met J. Smith (in 1914.)", "He ran."});
  CHECK(split_sentences("Well... no. In 14. and 15. The end") ==
        List{"Well... no.", "In 14. and 15.", "The end"});
  CHECK(split_sentences("It cost 3.50 at a.b.c today.\xE2\x80\x9D Yes") ==
        List{"It cost 3.50 at a.b.c today.\xE2\x80\x9D", "Yes"});
  CHECK(split_sentences(" \n ").empty());
  CHECK(split_sentences("").empty());
  CHECK(split_sentences("no end  ") == List{"no end"});
}

TEST_CASE("the sentences of a book are all of its text in order", "[unit]") {
  const Pg19Books books(test::source_dir() / "data" / "samples" / "pg19");
  const std::string text = books.read("12204").text;
  const auto sentences = split_sentences(text);
  CHECK(sentences.size() > 100);
  std::size_t at = 0;
  bool apart = true;
  for (const auto sentence : sentences) {
    const auto begin = static_cast<std::size_t>(sentence.data() - text.data());
    apart &= text.substr(at, begin - at).find_first_not_of(" \n\r\t\f\v") == std::string::npos;
    at = begin + sentence.size();
  }
  CHECK(apart);
  CHECK(text.find_first_not_of(" \n\r\t\f\v", at) == std::string::npos);
}

TEST_CASE("every question of bAbI comes with the facts before it", "[unit]") {
  const TempDir folder;
  const auto file = folder / "qa1_test.txt";
  write_file_atomically(file,
                        "1 Mary moved to the bathroom.\n2 John went to the hallway.\n"
                        "3 Where is Mary? \tbathroom\t1\n4 Mary went to the office.\n"
                        "5 Where is Mary? \toffice\t4 2\n1 Dan is here.\n2 Is he?\tyes\t1\n");
  const auto questions = read_babi_questions(file);
  REQUIRE(questions.size() == 3);
  CHECK(questions[0].facts ==
        std::vector<std::string>{"Mary moved to the bathroom.", "John went to the hallway."});
  CHECK(questions[0].question == "Where is Mary?");
  CHECK(questions[0].answer == "bathroom");
  CHECK(questions[1].facts.size() == 3);
  CHECK(questions[1].supporting == Ids{2, 1});
  CHECK(questions[1].story == 0);
  CHECK(questions[2].story == 1);
  CHECK(questions[2].index == 2);

  const auto refused = [&](const std::string& text) -> std::string {
    write_file_atomically(file, text);
    try {
      read_babi_questions(file);
    } catch (const Error& error) {
      CHECK(error.kind() == ErrorKind::kData);
      return error.what();
    }
    return "nothing was refused";
  };
  CHECK_THAT(refused("1 A fact.\n3 Another.\n"), Contains("qa1_test.txt:2") && Contains("line 2"));
  CHECK_THAT(refused("Mary went.\n"), Contains("NUMBER text"));
  CHECK_THAT(refused("1 Where?\toffice\t1\n"), Contains("facts before it"));
  CHECK_THAT(refused("1 A fact.\n2 Where?\toffice\t2\n"), Contains("that are facts, found '2'"));
  CHECK_THAT(refused("1 A fact.\n2 Where?\toffice\n"), Contains("found 2 parts"));
  CHECK_THAT(refused("1 A fact.\n2 Where?\t \t1\n"), Contains("no answer"));
  CHECK_THAT(refused("1 A fact.\n"), Contains("expected questions, found none"));
}

TEST_CASE("facts stand whole and in order at borders of sentences, at any length", "[unit]") {
  const test::ByteTokenizer tokenizer;
  const auto background = background_of(prose(40), tokenizer);
  REQUIRE(background->sentences() == 40);
  const BabilongGenerator generator(background, tokenizer);
  const auto question = story(5);
  const std::string round = tokenizer.decode(
      [&] {
        Ids ids(static_cast<std::size_t>(2 * background->tokens()));
        background->copy(0, 0, ids);
        return ids;
      }(),
      false);
  bool opened_by_fact = false, opened_by_sentence = false, met_at_end = false;
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    const std::int64_t length = 130 + static_cast<std::int64_t>(seed * seed % 900);
    const auto text = generator.text(question, seed, length);
    CAPTURE(seed, length);
    REQUIRE(text.tokens() == length);
    std::string read = tokenizer.decode(all_of(text), false);
    REQUIRE(static_cast<std::int64_t>(read.size()) == length);
    const auto offsets = text.fact_offsets();
    REQUIRE(offsets.size() == 5);
    // Taken out from the end, each is there whole; what is left is the background as it was.
    for (std::size_t i = 5; i-- > 0;) {
      const std::string fact = (offsets[i] == 0 ? "" : " ") + question.facts[i];
      const auto at = static_cast<std::size_t>(offsets[i]);
      REQUIRE(read.substr(at, fact.size()) == fact);
      const bool behind_end = at == 0 || read[at - 1] == '.';
      const bool at_end = at + fact.size() == read.size() ||
                          (i < 4 && at + fact.size() == static_cast<std::size_t>(offsets[i + 1]));
      REQUIRE((behind_end || at_end));
      met_at_end |= !behind_end;
      read.erase(at, fact.size());
    }
    (offsets[0] == 0 ? opened_by_fact : opened_by_sentence) = true;
    REQUIRE(!read.empty());
    REQUIRE((offsets[0] == 0) == (read.front() == ' '));
    const std::string expected = read.front() == ' ' ? read : " " + read;
    REQUIRE(expected.starts_with(" Sentence "));
    REQUIRE(round.find(expected) != std::string::npos);
  }
  CHECK(opened_by_fact);
  CHECK(opened_by_sentence);
  CHECK(met_at_end);
}

TEST_CASE("a text read in parts is the text read at once", "[unit]") {
  const test::ByteTokenizer tokenizer;
  const BabilongGenerator generator(background_of(prose(30), tokenizer), tokenizer);
  const auto text = generator.text(story(20), 7, 5000);
  const Ids whole = all_of(text);
  for (const std::int64_t part : {1, 3, 64, 499, 4999}) {
    Ids parts(whole.size());
    const std::int64_t count = (text.tokens() + part - 1) / part;
    for (std::int64_t i = count; i-- > 0;) {  // from the end: no state is carried
      const auto size = std::min(part, text.tokens() - i * part);
      text.fill(i * part, std::span(parts).subspan(static_cast<std::size_t>(i * part),
                                                   static_cast<std::size_t>(size)));
    }
    CAPTURE(part);
    CHECK(parts == whole);
  }
  CHECK(all_of(generator.text(story(20), 7, 5000)) == whole);
  CHECK(all_of(generator.text(story(20), 8, 5000)) != whole);
}

TEST_CASE("facts are as likely at every border", "[unit]") {
  const test::ByteTokenizer tokenizer;
  // Sentences of one length: a share of the text is a share of the borders.
  std::string text;
  for (int i = 0; i < 1000; ++i) text += "All of one length, that is it. ";
  const BabilongGenerator generator(background_of(text, tokenizer), tokenizer);
  std::array<int, 8> counts{};
  const std::int64_t length = 8000;
  for (std::uint64_t seed = 0; seed < 2000; ++seed) {
    const auto offset = generator.text(story(1), seed, length).fact_offsets().front();
    ++counts[static_cast<std::size_t>(offset * 8 / length)];
  }
  double chi_square = 0;
  for (const int count : counts) chi_square += (count - 250.0) * (count - 250.0) / 250.0;
  CHECK(chi_square < 24.3);  // 7 degrees of freedom, p = 0.001
}

TEST_CASE("segments hold the text and, at their very end, the question", "[unit]") {
  const test::ByteTokenizer tokenizer;
  const BabilongGenerator generator(background_of(prose(50), tokenizer), tokenizer);
  const auto question = story(4);
  const auto source = generator.segments(question, 3, 6, 200, kPlaceNames);
  CHECK(source->segments() == 6);
  CHECK(source->segment_tokens() == 200);
  CHECK(source->answer() == 5);
  Ids tokens(1200);
  for (std::int64_t s = 6; s-- > 0;) {
    source->fill(s, std::span(tokens).subspan(static_cast<std::size_t>(s) * 200, 200));
  }
  const std::string read = tokenizer.decode(tokens, false);
  CHECK(read.ends_with(" Where is Mary?"));
  const std::string asked = " Where is Mary?";
  const auto text = generator.text(question, 3, 1200 - static_cast<std::int64_t>(asked.size()));
  CHECK(read == tokenizer.decode(all_of(text), false) + asked);
  const auto offsets = text.fact_offsets();
  const auto segments = source->fact_segments();
  for (std::size_t i = 0; i < 4; ++i) CHECK(segments[i] == offsets[i] / 200);

  CHECK_THROWS_WITH(generator.segments(question, 3, 1, 60, kPlaceNames),
                    Contains("room for") && Contains("most_facts"));
  CHECK_THROWS_WITH(generator.segments(question, 3, 100, 10, kPlaceNames),
                    Contains("segments of at least 15"));
  CHECK_THROWS_WITH(generator.segments(question, 3, 6, 200, std::vector<std::string>{"garden"}),
                    Contains("found 'office'"));
}

TEST_CASE("one million tokens stream in seconds and constant memory", "[unit]") {
  const test::ByteTokenizer tokenizer;
  const Pg19Books books(test::source_dir() / "data" / "samples" / "pg19");
  const BabilongGenerator generator(background_of(books.read("860").text, tokenizer), tokenizer);
  const double began = system_clock().steady_seconds();
  const std::int64_t before = resident_bytes();
  std::int64_t most = before;
  const auto source = generator.segments(story(100), 1, std::int64_t{1} << 12, 256, kPlaceNames);
  std::vector<std::int64_t> segment(256);
  std::uint64_t sum = 0;
  for (std::int64_t s = 0; s < source->segments(); ++s) {
    source->fill(s, segment);
    for (const auto id : segment) sum = sum * 31 + static_cast<std::uint64_t>(id);
    if (s % 256 == 0) most = std::max(most, resident_bytes());
  }
  CHECK(sum != 0);
  CHECK(system_clock().steady_seconds() - began < 10);
  CHECK(most - before < std::int64_t{4} << 20);  // the text alone would have 8 MiB
  CHECK(source->fact_segments().back() > source->segments() / 2);
}

TEST_CASE("a tokenizer that writes blanks itself is not given one", "[unit]") {
  // WordPiece, byte-level BPE, and SentencePiece's way in tokenizer.json.
  for (const auto* name : {"minilm", "json/llama3", "json/llama2", "json/smollm"}) {
    const auto tokenizer = models::open_tokenizer(test::golden(std::string("tokenizer/") + name));
    const SentenceTokens tokens(*tokenizer);
    auto ids = tokens.opening("Mary went to the office.");
    const auto more = tokens.following("John is here.");
    ids.insert(ids.end(), more.begin(), more.end());
    const std::string text = tokenizer->decode_text(ids, true);
    CAPTURE(name, text);
    CHECK_THAT(text, Contains(" john") || Contains(" John"));
    CHECK_THAT(text, !Contains("  "));
    CHECK(tokens.as_opening(more) == tokens.opening("John is here."));
  }
}

}  // namespace
}  // namespace lethe::tasks
