// SPDX-License-Identifier: Apache-2.0
#include "harness/runner/progress.h"

#include <algorithm>
#include <array>
#include <iostream>

#include "harness/base/error.h"
#include "harness/base/json.h"
#include "harness/base/text.h"

namespace lethe::runner {
namespace {

constexpr double kRepaintSeconds = 0.5;
constexpr double kLineSeconds = 10;
constexpr int kBarCells = 20;

constexpr std::array<const char*, 9> kEventNames = {"run_started", "worker_started", "cell_started",
                                                    "progress",    "sample_done",    "cell_done",
                                                    "worker_died", "stop_requested", "run_done"};

std::string percent(std::int64_t part, std::int64_t whole) {
  return std::to_string(whole > 0 ? part * 100 / whole : 100) + "%";
}

}  // namespace

std::string to_string(EventType type) {
  return kEventNames.at(static_cast<std::size_t>(type));
}

ProgressDisplay::ProgressDisplay(std::ostream& out, bool terminal, const Clock& clock, int columns)
    : out_(out), terminal_(terminal), clock_(clock), columns_(columns) {}

void ProgressDisplay::on_event(const RunEvent& event) {
  switch (event.type) {
    case EventType::kRunStarted:
      started_ = last_paint_ = clock_.steady_seconds();
      cells_ = event.cells;
      tokens_ = event.tokens_total;
      message(std::to_string(event.cells) + " cells to run (" + std::to_string(event.samples) +
              " samples, " + with_thousands(event.tokens_total) + " tokens), " +
              std::to_string(event.cells_cached) + " done before");
      break;
    case EventType::kCellStarted:
      current_ = event.label;
      break;
    case EventType::kProgress:
      running_[event.worker] = event.tokens;
      break;
    case EventType::kSampleDone:
      running_.erase(event.worker);
      tokens_done_ += event.tokens;
      break;
    case EventType::kCellDone:
      ++cells_ended_;
      tokens_ -= event.tokens;
      if (event.status != "done") {
        ++cells_bad_;
        message(event.label + ": " + event.status + ": " + event.reason);
      }
      break;
    case EventType::kWorkerDied:
      running_.erase(event.worker);
      message("worker " + std::to_string(event.worker) + " died: " + event.reason);
      break;
    case EventType::kStopRequested:
      stopping_ = true;
      message("stopping after the running samples; press Ctrl-C again to stop now");
      break;
    case EventType::kRunDone:
      if (cells_ > 0) paint(true);
      if (painted_) out_ << "\n" << std::flush;
      painted_ = false;
      return;
    case EventType::kWorkerStarted:
      break;
  }
  paint(false);
}

void ProgressDisplay::tick() {
  paint(false);
}

void ProgressDisplay::message(const std::string& text) {
  if (painted_) out_ << "\r\x1b[K";
  painted_ = false;
  out_ << text << "\n" << std::flush;
}

void ProgressDisplay::paint(bool force) {
  const double now = clock_.steady_seconds();
  if (!force && now - last_paint_ < (terminal_ ? kRepaintSeconds : kLineSeconds)) return;
  last_paint_ = now;
  if (terminal_) {
    out_ << "\r\x1b[K" << line().substr(0, static_cast<std::size_t>(std::max(1, columns_ - 1)))
         << std::flush;
    painted_ = true;
  } else {
    out_ << line() << "\n" << std::flush;
  }
}

std::string ProgressDisplay::line() const {
  std::int64_t tokens = tokens_done_;
  for (const auto& [worker, running] : running_) tokens += running;
  tokens = std::min(tokens, tokens_);
  const double elapsed = clock_.steady_seconds() - started_;
  std::string out;
  if (terminal_) {
    const auto full = tokens_ > 0 ? static_cast<int>(tokens * kBarCells / tokens_) : kBarCells;
    out += "[" + std::string(static_cast<std::size_t>(full), '#') +
           std::string(static_cast<std::size_t>(kBarCells - full), '.') + "] ";
  }
  out += percent(tokens, tokens_) + "  " + std::to_string(cells_ended_) + "/" +
         std::to_string(cells_) + " cells";
  if (cells_bad_ > 0) out += " (" + std::to_string(cells_bad_) + " not done)";
  if (tokens > 0 && elapsed > 0) {
    const double rate = static_cast<double>(tokens) / elapsed;
    out += "  " + with_thousands(static_cast<std::int64_t>(rate)) + " tok/s";
    out += tokens < tokens_
               ? "  ETA " + human_duration(static_cast<double>(tokens_ - tokens) / rate)
               : "  in " + human_duration(elapsed);
  }
  if (stopping_) {
    out += "  stopping";
  } else if (tokens < tokens_ && !current_.empty()) {
    out += "  " + current_;
  }
  return out;
}

EventLog::EventLog(const std::filesystem::path& path, const Clock& clock)
    : out_(path, std::ios::app), path_(path), clock_(clock) {
  if (!out_) throw Error(ErrorKind::kConfig, "cannot write events to " + path.string());
}

void EventLog::on_event(const RunEvent& event) {
  json::object line{{"time", utc_text(clock_.unix_ms())}, {"type", to_string(event.type)}};
  const auto text = [&](const char* name, const std::string& value) {
    if (!value.empty()) line[name] = value;
  };
  const auto number = [&](const char* name, std::int64_t value, bool applies) {
    if (applies) line[name] = value;
  };
  const EventType type = event.type;
  const bool start = type == EventType::kRunStarted;
  const bool cell = type == EventType::kCellStarted;
  const bool sample = type == EventType::kSampleDone;
  number("worker", event.worker, event.worker >= 0);
  text("cell", event.cell_key);
  text("label", event.label);
  text("sample", event.sample_id);
  number("tokens", event.tokens, sample || type == EventType::kProgress);
  if (sample || type == EventType::kRunDone) line["seconds"] = event.seconds;
  number("attempt", event.attempt, cell);
  text("status", event.status);
  text("reason", event.reason);
  number("cells", event.cells, start);
  number("cells_cached", event.cells_cached, start);
  number("samples", event.samples, start || cell);
  number("tokens_total", event.tokens_total, start);
  out_ << json::serialize(line) << "\n" << std::flush;
  if (out_ || failed_) return;
  failed_ = true;  // said once; the run itself goes on
  std::cerr << "lethe: warning: cannot write events to " << path_.string() << ": disk full?\n";
}

}  // namespace lethe::runner
