// SPDX-License-Identifier: Apache-2.0
// Text as tokens come: whole characters, stop strings over the borders of tokens.
#include "harness/base/seed.h"
#include "models/tokenizer/text_stream.h"
#include "tests/support/catch.h"
#include "tests/support/fixtures.h"

namespace lethe::test {
namespace {

using models::TextStream;

/// One token per byte; the first of a text loses a blank before it, as SentencePiece's does.
class Bytes final : public models::Tokenizer {
 public:
  std::vector<std::int64_t> encode(std::string_view text, bool) const override {
    return {text.begin(), text.end()};
  }
  std::string decode(const std::vector<std::int64_t>& ids, bool) const override {
    std::string text(ids.begin(), ids.end());
    return text.starts_with(' ') ? text.substr(1) : text;
  }
  std::int64_t vocab_size() const override { return 256; }
  std::optional<std::int64_t> bos_id() const override { return std::nullopt; }
  std::optional<std::int64_t> eos_id() const override { return std::nullopt; }
  bool adds_bos() const override { return false; }
  std::string content_sha256() const override { return "bytes"; }
};

struct Streamed {
  std::vector<std::string> pieces;
  std::string text;
  bool stopped = false;
};

Streamed stream(const std::string& text, const std::vector<std::string>& stops = {}) {
  const Bytes tokenizer;
  TextStream stream(tokenizer, stops, false);
  Streamed out;
  for (const char byte : text) {
    out.pieces.push_back(stream.push(static_cast<unsigned char>(byte)));
    out.text += out.pieces.back();
    if (stream.stopped()) break;
  }
  out.text += stream.finish();
  out.stopped = stream.stopped();
  return out;
}

TEST_CASE("characters come whole") {
  const auto out = stream("a\xC3\xA9 \xF0\x9F\x98\x80!");
  CHECK(out.text == "a\xC3\xA9 \xF0\x9F\x98\x80!");
  CHECK(out.pieces ==
        std::vector<std::string>{"a", "", "\xC3\xA9", " ", "", "", "", "\xF0\x9F\x98\x80", "!"});
  // What never becomes a character is not kept back for ever.
  CHECK(stream("a\xC3").text == "a\xC3");
  CHECK(stream("\x80\x80\x80\x80"
               "b")
            .text ==
        "\x80\x80\x80\x80"
        "b");
}

TEST_CASE("blanks between words stay, however long the text") {
  std::string text;
  for (int i = 0; i < 100; ++i) text += "w" + std::to_string(i) + " ";
  CHECK(stream(text).text == text);
}

TEST_CASE("a stop string ends the text before it") {
  const auto out = stream("one\n\ntwo", {"\n\n"});
  CHECK(out.text == "one");
  CHECK(out.stopped);
  CHECK(out.pieces == std::vector<std::string>{"o", "n", "e", "", ""});
  // A beginning that comes to nothing is given back.
  CHECK(stream("one\ntwo", {"\n\n"}).text == "one\ntwo");
  CHECK(stream("one\n", {"\n\n"}).text == "one\n");
  CHECK_FALSE(stream("one\n", {"\n\n"}).stopped);
  // The earliest of several, and one that overlaps itself.
  CHECK(stream("xaaab", {"b", "aab"}).text == "xa");
  CHECK(stream("abc", {"bc", "abc"}).text.empty());
  CHECK(stream("abc", {""}).text == "abc");
}

TEST_CASE("a stop string is found as in the whole text", "[property]") {
  RandomStream random(5);
  for (int round = 0; round < 300; ++round) {
    std::string text, stop;
    for (std::size_t i = 0; i < 40; ++i) text += static_cast<char>('a' + random.below(2));
    const std::size_t length = 1 + random.below(6);
    while (stop.size() < length) stop += static_cast<char>('a' + random.below(2));
    CAPTURE(text, stop);
    const auto out = stream(text, {stop});
    CHECK(out.stopped == (text.find(stop) != std::string::npos));
    CHECK(out.text == text.substr(0, text.find(stop)));
  }
}

}  // namespace
}  // namespace lethe::test
