// SPDX-License-Identifier: Apache-2.0
// A worker whose results follow from a formula and that misbehaves on command: the task's name says
// how. fake_worker CONTROL_FOLDER [--device NAME] [--shared-memory FD] FD
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <limits>
#include <new>
#include <span>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "harness/base/error.h"
#include "harness/base/seed.h"
#include "harness/base/shared_memory.h"
#include "harness/runner/job.h"

namespace {

using namespace lethe;
namespace fs = std::filesystem;

void pause_ms(int ms) {
  std::this_thread::sleep_for(std::chrono::milliseconds(ms));
}

void send_nonsense() {
  const char bytes[16] = {'\xff', '\xff', '\xff', '\xff', '\xff', '\xff', '\xff', '\xff'};
  if (write(3, bytes, sizeof bytes) < 0) std::abort();
}

class FakeExecutor final : public runner::JobExecutor {
 public:
  FakeExecutor(fs::path control, std::string socket, int memory)
      : control_(std::move(control)), socket_(std::move(socket)), memory_(memory) {}

  void run(const runner::Job& job, runner::JobSink& sink) override {
    const json::object& task = job.inputs.at("task").as_object();
    const std::string name(task.at("name").as_string());
    for (const auto& sample : job.samples) {
      if (sink.stop_requested()) return;
      note("started", job.label + " " + sample.id);
      behave(name, sample, sink);
      if (name == "silent") return;
      sink.sample_done(record(name, job, sample));
    }
  }

  store::ProvenanceRecord provenance() const override {
    store::ProvenanceRecord facts;
    facts.torch_version = "fake 1.0";
    facts.cpu = "fake";
    facts.device = "cpu";
    facts.threads = 3;
    return facts;
  }

 private:
  void behave(const std::string& name, const runner::JobSample& sample, runner::JobSink& sink) {
    const bool second = sample.id == "0/1";
    if (name == "slow") pause_ms(15);
    if (name == "crash" && second) {
      std::fprintf(stderr, "fake worker: about to abort\n");
      signal(SIGABRT, SIG_DFL);
      std::abort();
    }
    if (name == "crash-once" && !fs::exists(control_ / "crashed")) {
      note("crashed", "once");
      kill(getpid(), SIGKILL);
    }
    if (name == "exit" && second) _exit(7);
    if (name == "throw" && second) throw Error(ErrorKind::kData, "book 7 is missing");
    if (name == "strange") throw 42;
    if (name == "bad-alloc") throw std::bad_alloc();
    if (name == "torch-oom") {
      throw std::runtime_error(
          "DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes\n"
          "Exception raised from alloc at somewhere.cpp:1\nframe #0: x");
    }
    if (name == "gate") {
      for (std::int64_t tokens = 1; !fs::exists(control_ / "go"); ++tokens) {
        sink.progress(tokens);
        pause_ms(2);
      }
    }
    if (name == "hang" || (name == "hang-once" && !fs::exists(control_ / "hung"))) {
      note("hung", "once");
      while (true) pause();
    }
    if (name == "busy") {  // progress without end
      for (std::int64_t tokens = 1;; ++tokens) {
        sink.progress(tokens);
        pause_ms(2);
      }
    }
    if (name == "greedy") {
      std::vector<char> much(std::size_t{96} << 20, 'x');
      note("greedy", std::to_string(much[much.size() / 2]));
      while (true) pause();
    }
    if (name == "share") share();
    if (name == "kernel-oom") {  // as the kernel does it: the count goes up, the process is gone
      std::string name_of_count;
      int count = 0;
      std::ifstream(control_ / "vmstat") >> name_of_count >> count;
      std::ofstream(control_ / "vmstat") << name_of_count << " " << count + 1 << "\n";
      kill(getpid(), SIGKILL);
    }
    if (name == "deaf") {
      close(std::atoi(socket_.c_str()));
      while (true) pause();
    }
    if (name == "nonsense") send_nonsense();
  }

  // Uses 32 MiB that all workers share, until the test says "go".
  void share() {
    if (memory_ < 0) return note("shared", "nothing");
    struct stat info {};
    fstat(memory_, &info);
    note("held", std::to_string(info.st_blocks / 2) + " KiB");
    SharedBlobs blobs(memory_);
    const auto blob = blobs.get("weights", kBlobBytes, [&](std::span<std::byte> bytes) {
      note("filled", std::to_string(getpid()));
      for (std::byte& byte : bytes) byte = std::byte{'w'};
      if (!fs::exists(control_ / "half") || fs::exists(control_ / "died")) return;
      note("died", "once");
      kill(getpid(), SIGKILL);
    });
    const std::size_t seen = blob ? static_cast<std::size_t>(std::count(
                                        blob.get(), blob.get() + kBlobBytes, std::byte{'w'}))
                                  : 0;
    note("shared", std::to_string(info.st_ino) + " " + std::to_string(seen));
    while (!fs::exists(control_ / "go")) pause_ms(2);
  }

  static store::SampleRecord record(const std::string& name, const runner::Job& job,
                                    const runner::JobSample& sample) {
    RandomStream random(derive_seed(1, sample.key));
    store::SampleRecord out;
    out.sample_key = sample.key;
    out.sample_id = sample.id;
    out.sample_hash = sample.hash;
    out.cluster = sample.cluster;
    out.tokens_in = out.tokens_seen = job.inputs.at("length").as_int64();
    out.tokens_scored = out.tokens_in - 1;
    out.nll_sum = 300 * random.uniform();
    const int scored = name == "long" ? 1 << 21 : 200;
    for (int i = 0; i < scored; ++i) out.nll_trace.push_back(static_cast<float>(random.uniform()));
    out.output = "\xff raw bytes of " + sample.id;
    out.tokens_evicted = 10;
    out.layers = R"([{"layer":0}])";
    out.kv_bytes = static_cast<std::int64_t>(random.below(1000));
    out.seconds = 0.001;
    if (name == "unevicted") {
      out.tokens_evicted = 0;
      out.kept_max = out.tokens_seen;
    }
    if (name == "windowed") out.tokens_evicted = 0;  // its own window lost them: kept_max is 0
    if (name == "nan") out.nll_sum = std::numeric_limits<double>::quiet_NaN();
    if (name == "bad-layers") out.layers = "[";
    return out;
  }

  void note(const std::string& file, const std::string& text) const {
    std::ofstream(control_ / file, std::ios::app) << text << "\n";
  }

  static constexpr std::size_t kBlobBytes = 32 << 20;

  fs::path control_;
  std::string socket_;
  int memory_;  ///< -1: none
};

}  // namespace

int main(int argc, char** argv) {
  const std::vector<std::string> words(argv + 1, argv + argc);
  if (words.size() % 2 != 0) return 64;
  const fs::path control = words.front();
  std::string device;
  int memory = -1;
  for (std::size_t i = 1; i + 2 < words.size(); i += 2) {
    if (words[i] == "--device") device = words[i + 1];
    if (words[i] == "--shared-memory") memory = std::stoi(words[i + 1]);
  }
  if (!device.empty()) std::ofstream(control / "devices", std::ios::app) << device << "\n";
  if (fs::exists(control / "no-start")) {
    std::fprintf(stderr, "earlier line\nlibfake.so: cannot open shared object file\n");
    return 127;
  }
  std::ofstream(control / "pids", std::ios::app) << getpid() << "\n";
  if (fs::exists(control / "no-hello")) pause();
  if (fs::exists(control / "nonsense-hello")) send_nonsense();
  if (!device.empty() && fs::exists(control / ("no-" + device))) return 5;
  FakeExecutor executor(control, words.back(), memory);
  return runner::run_worker(std::stoi(words.back()), executor);
}
