// SPDX-License-Identifier: Apache-2.0
// Frames, messages and what observers make of events.
#include <sys/socket.h>
#include <unistd.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <sstream>

#include "harness/base/error.h"
#include "harness/base/text.h"
#include "harness/runner/framing.h"
#include "harness/runner/progress.h"
#include "harness/runner/wire.h"
#include "tests/support/catch.h"
#include "tests/support/fixtures.h"

using namespace lethe;
using namespace lethe::runner;

namespace {

class ManualClock final : public Clock {
 public:
  double steady_seconds() const override { return now; }
  std::int64_t unix_ms() const override { return 1'700'000'000'000; }
  double now = 100;
};

std::string header(std::uint32_t text, std::uint32_t blob) {
  std::string bytes(8, '\0');
  std::memcpy(bytes.data(), &text, 4);
  std::memcpy(bytes.data() + 4, &blob, 4);
  return bytes;
}

}  // namespace

TEST_CASE("frames survive any cut") {
  const Frame first{{{"a", 1}}, std::string("\0\xff blob", 7)};
  const Frame second{{{"b", "text"}}, ""};
  const std::string bytes = encode_frame(first) + encode_frame(second);
  for (std::size_t step = 1; step <= bytes.size(); ++step) {
    FrameDecoder decoder;
    std::vector<Frame> got;
    for (std::size_t at = 0; at < bytes.size(); at += step) {
      decoder.feed(std::string_view(bytes).substr(at, step));
      while (auto frame = decoder.next()) got.push_back(std::move(*frame));
    }
    REQUIRE(got.size() == 2);
    CHECK(got[0].message == first.message);
    CHECK(got[0].blob == first.blob);
    CHECK(got[1].message == second.message);
    CHECK_FALSE(decoder.partial());
  }
  FrameDecoder decoder;
  decoder.feed(std::string_view(bytes).substr(0, 5));
  CHECK_FALSE(decoder.next());
  CHECK(decoder.partial());
}

TEST_CASE("malformed frames are refused") {
  const auto decode = [](const std::string& bytes) {
    FrameDecoder decoder;
    decoder.feed(bytes);
    decoder.next();
  };
  CHECK_THROWS_AS(decode(header(0xffffffff, 0)), Error);
  CHECK_THROWS_AS(decode(header(2, 0xffffffff) + "{}"), Error);
  CHECK_THROWS_AS(decode(header(2, 0) + "[]"), Error);
  CHECK_THROWS_AS(decode(header(2, 0) + "{x"), Error);
  CHECK_THROWS_AS(decode(header(0, 0)), Error);
}

TEST_CASE("sockets: data, end, a reader that is gone") {
  int ends[2];
  REQUIRE(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
  CHECK(send_all(ends[0], encode_frame(stop_frame())));
  FrameDecoder decoder;
  CHECK(read_some(ends[1], decoder) == ReadResult::kData);
  CHECK(frame_type(*decoder.next()) == "stop");
  close(ends[0]);
  CHECK(read_some(ends[1], decoder) == ReadResult::kEnd);
  CHECK_FALSE(send_all(ends[1], "x"));  // and no SIGPIPE
  close(ends[1]);
}

TEST_CASE("messages come back as they were sent") {
  store::SampleRecord record;
  record.sample_key = "k";
  record.sample_id = "860/0";
  record.nll_sum = 0.1 + 0.2;
  record.ttft_ms = std::nextafter(1.0, 2.0);
  record.output = std::string("\xff\0x", 3);
  record.nll_trace = {-0.0F, std::numeric_limits<float>::denorm_min(), 3};
  record.seconds = 1e-300;
  const auto sample = read_sample(sample_frame("cell", record));
  CHECK(sample.cell_key == "cell");
  CHECK(sample.record.nll_sum == 0.1 + 0.2);
  CHECK_FALSE(sample.record.score);
  CHECK(sample.record.ttft_ms == std::nextafter(1.0, 2.0));
  CHECK(sample.record.output == record.output);
  CHECK(sample.record.nll_trace == record.nll_trace);
  CHECK(std::signbit(sample.record.nll_trace[0]));
  CHECK(sample.record.seconds == 1e-300);

  const Job job{"cell", "label", "/m", {{"budget", 8}}, {{"x", 1}}, {{"i", "k", "h", "c"}}};
  const auto back = read_job(job_frame(job));
  CHECK(back.inputs == job.inputs);
  CHECK(back.task_options == job.task_options);
  REQUIRE(back.samples.size() == 1);
  CHECK(back.samples[0].cluster == "c");

  const JobOutcome outcome{"cell", JobOutcome::Result::kOom, ErrorKind::kResource, "bad \xff"};
  const auto told = read_outcome(outcome_frame(outcome));
  CHECK(told.result == JobOutcome::Result::kOom);
  CHECK(told.kind == ErrorKind::kResource);
  CHECK(told.message == "bad ?");

  auto odd = sample_frame("cell", record);
  odd.blob.pop_back();
  CHECK_THROWS_AS(read_sample(odd), Error);
  CHECK_THROWS_AS(read_sample(stop_frame()), Error);
  CHECK_THROWS_AS(frame_type({{{"x", 1}}, ""}), Error);
}

TEST_CASE("progress on a terminal is repainted at most twice a second") {
  std::ostringstream out;
  ManualClock clock;
  ProgressDisplay display(out, true, clock, 60);
  display.on_event({.type = EventType::kRunStarted,
                    .cells = 2,
                    .cells_cached = 1,
                    .samples = 4,
                    .tokens_total = 4000});
  CHECK(out.str() == "2 cells to run (4 samples, 4,000 tokens), 1 done before\n");
  out.str("");
  display.on_event({.type = EventType::kCellStarted, .label = "pg19/tova"});
  clock.now += 10;
  display.on_event({.type = EventType::kSampleDone, .worker = 0, .tokens = 1000});
  CHECK(out.str() == "\r\x1b[K[#####...............] 25%  0/2 cells  100 tok/s  ETA 30 s ");
  out.str("");
  for (int i = 0; i < 100; ++i) display.tick();
  CHECK(out.str().empty());
  clock.now += 0.6;
  display.tick();
  CHECK_FALSE(out.str().empty());
  out.str("");
  display.on_event({.type = EventType::kCellDone,
                    .label = "pg19/tova",
                    .tokens = 1000,
                    .status = "oom",
                    .reason = "out of memory"});
  CHECK(out.str() == "\r\x1b[Kpg19/tova: oom: out of memory\n");
  out.str("");
  clock.now += 9.4;
  display.on_event({.type = EventType::kSampleDone, .worker = 0, .tokens = 2000});
  out.str("");
  display.on_event({.type = EventType::kRunDone});
  CHECK(out.str() == "\r\x1b[K[####################] 100%  1/2 cells (1 not done)  150 to\n");
}

TEST_CASE("progress elsewhere is a plain line every ten seconds") {
  std::ostringstream out;
  ManualClock clock;
  ProgressDisplay display(out, false, clock);
  display.on_event(
      {.type = EventType::kRunStarted, .cells = 2, .samples = 4, .tokens_total = 4000});
  out.str("");
  for (int second = 0; second < 25; ++second) {
    clock.now += 1;
    display.on_event({.type = EventType::kProgress, .worker = 1, .tokens = second * 100});
  }
  CHECK(out.str() == "22%  0/2 cells  90 tok/s  ETA 34 s\n47%  0/2 cells  95 tok/s  ETA 22 s\n");
  out.str("");
  display.on_event({.type = EventType::kStopRequested});
  CHECK(out.str() == "stopping after the running samples; press Ctrl-C again to stop now\n");
}

TEST_CASE("events as JSON lines") {
  test::TempDir dir;
  ManualClock clock;
  {
    EventLog log(dir / "events.jsonl", clock);
    log.on_event({.type = EventType::kRunStarted, .cells = 2, .samples = 4, .tokens_total = 4000});
    log.on_event({.type = EventType::kSampleDone,
                  .worker = 0,
                  .cell_key = "k",
                  .label = "l",
                  .sample_id = "1/0",
                  .tokens = 5,
                  .seconds = 0.5});
    log.on_event({.type = EventType::kCellDone,
                  .worker = 0,
                  .cell_key = "k",
                  .label = "l",
                  .status = "failed",
                  .reason = "a \"quoted\" reason"});
  }
  CHECK(
      read_text_file(dir / "events.jsonl") ==
      R"({"time":"2023-11-14T22:13:20Z","type":"run_started","cells":2,"cells_cached":0,"samples":4,"tokens_total":4000})"
      "\n"
      R"({"time":"2023-11-14T22:13:20Z","type":"sample_done","worker":0,"cell":"k","label":"l","sample":"1/0","tokens":5,"seconds":5E-1})"
      "\n"
      R"({"time":"2023-11-14T22:13:20Z","type":"cell_done","worker":0,"cell":"k","label":"l","status":"failed","reason":"a \"quoted\" reason"})"
      "\n");
  CHECK_THROWS_AS(EventLog(dir / "no/folder/events", clock), Error);
}
