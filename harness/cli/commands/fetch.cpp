// SPDX-License-Identifier: Apache-2.0
#include <unistd.h>

#include <algorithm>
#include <iostream>

#include "harness/base/error.h"
#include "harness/base/text.h"
#include "harness/cli/commands/commands.h"
#include "harness/cli/output.h"
#include "harness/cli/root.h"
#include "harness/runner/interrupts.h"
#include "tasks/datasets/dataset_files.h"
#include "tasks/datasets/fetch.h"

namespace lethe::cli {

namespace {

namespace fs = std::filesystem;

constexpr double kRepaintSeconds = 0.5;
constexpr double kLineSeconds = 10;
constexpr std::int64_t kBarCells = 20;

std::string size_text(std::optional<std::int64_t> bytes) {
  return bytes ? human_bytes(static_cast<double>(*bytes)) : "unknown size";
}

/// How far a file is, on standard error: one line repainted on a terminal, else a plain line now
/// and then.
class FetchProgress {
 public:
  FetchProgress() : terminal_(isatty(STDERR_FILENO) == 1) {}

  void begin(const std::string& file) {
    file_ = file;
    first_ = -1;
  }
  void show(std::int64_t done, std::optional<std::int64_t> total) {
    const double now = clock_.steady_seconds();
    if (first_ < 0) {  // bytes of an earlier run have no rate
      first_ = done;
      started_ = last_ = now;
    }
    if (now - last_ < (terminal_ ? kRepaintSeconds : kLineSeconds)) return;
    last_ = now;
    const std::string text = line(done, total, now - started_);
    if (terminal_) {
      std::cerr << "\r\x1b[K" << text.substr(0, 79) << std::flush;
      painted_ = true;
    } else {
      std::cerr << text << "\n" << std::flush;
    }
  }
  void message(const std::string& text) {
    if (painted_) std::cerr << "\r\x1b[K";
    painted_ = false;
    std::cerr << text << "\n" << std::flush;
  }

 private:
  std::string line(std::int64_t done, std::optional<std::int64_t> total, double seconds) const {
    std::string out = "  ";
    if (total && *total > 0) {
      const auto full = std::min(done, *total) * kBarCells / *total;
      if (terminal_) {
        out += "[" + std::string(static_cast<std::size_t>(full), '#') +
               std::string(static_cast<std::size_t>(kBarCells - full), '.') + "] ";
      }
      out += std::to_string(std::min(done, *total) * 100 / *total) + "%  ";
    }
    out += human_bytes(static_cast<double>(done));
    if (total) out += " of " + size_text(total);
    const double rate = seconds > 0 ? static_cast<double>(done - first_) / seconds : 0;
    if (rate > 0) {
      out += "  " + human_bytes(rate) + "/s";
      if (total) out += "  ETA " + human_duration(static_cast<double>(*total - done) / rate);
    }
    return out + "  " + file_;
  }

  const Clock& clock_ = system_clock();
  const bool terminal_;
  bool painted_ = false;  ///< a line without newline stands on the terminal
  std::string file_;
  std::int64_t first_ = -1;  ///< bytes that were here when this run began
  double started_ = 0;
  double last_ = 0;
};

void introduce(const tasks::Dataset& dataset, const fs::path& folder, FetchProgress& progress) {
  const auto count = dataset.files.size();
  progress.message(dataset.name + ": " + dataset.title + "\n  licence: " + dataset.licence +
                   "\n  from:    " + dataset.homepage +
                   "\n  size:    " + size_text(dataset.bytes()) + " in " + std::to_string(count) +
                   (count == 1 ? " file" : " files") +
                   "\n  to:      " + (folder / dataset.name).string());
}

json::object fetched_json(const tasks::FetchedFile& file) {
  return {{"name", file.name},
          {"url", file.url},
          {"bytes", file.bytes},
          {"sha256", file.sha256},
          {"unpacked_to", file.unpacked_to},
          {"unpacked_files", file.unpacked.size()}};
}

int list(const std::vector<tasks::Dataset>& catalogue, const fs::path& folder, bool as_json) {
  json::array all;
  for (const auto& dataset : catalogue) {
    const bool there = tasks::is_fetched(dataset, folder);
    const auto bytes = dataset.bytes();
    if (!as_json) {
      std::cout << dataset.name << "  " << dataset.title << "\n    licence: " << dataset.licence
                << "\n    size: " << size_text(bytes) << ", files: " << dataset.files.size()
                << "\n    from: " << dataset.homepage << "\n    "
                << (there ? "present: " : "missing; would go to ")
                << (folder / dataset.name).string() << "\n";
      continue;
    }
    json::array files;
    for (const auto& file : dataset.files) {
      files.push_back({{"name", file.name},
                       {"urls", json::value_from(file.urls)},
                       {"bytes", json::value_from(file.bytes)},
                       {"sha256", json::value_from(file.sha256)},
                       {"unpacked_to", file.unpack ? file.unpack->to : ""}});
    }
    all.push_back({{"name", dataset.name},
                   {"title", dataset.title},
                   {"homepage", dataset.homepage},
                   {"licence", dataset.licence},
                   {"present", there},
                   {"folder", (folder / dataset.name).string()},
                   {"files", files}});
  }
  if (as_json) print_json(all);
  return kExitOk;
}

int run(const Options& options) {
  const auto folder = tasks::data_folders(options.find("data")).front();
  const auto catalogue = tasks::read_catalogue(
      options.text("catalogue", (root_folder() / "data" / "datasets.json").string()));
  if (options.has("list")) return list(catalogue, folder, options.has("json"));
  const auto names = options.all("NAME");
  if (names.empty()) {
    throw Error(ErrorKind::kUsage, "expected the name of a data set, or --list");
  }
  std::vector<const tasks::Dataset*> wanted;  // a slip is told before anything is fetched
  for (const auto& name : names) wanted.push_back(&tasks::find_dataset(catalogue, name));

  runner::Interrupts interrupts(true);
  bool stop = false;
  FetchProgress progress;
  tasks::FetchHooks hooks;
  hooks.begin_file = [&](const tasks::DatasetFile& file) {
    progress.begin(file.name);
    progress.message("  " + file.name + ", " + size_text(file.bytes));
  };
  hooks.download.progress = [&](std::int64_t done, std::optional<std::int64_t> total) {
    progress.show(done, total);
  };
  hooks.download.note = [&](const std::string& text) { progress.message("  " + text); };
  hooks.download.interrupted = [&] {
    stop = stop || interrupts.take() > 0;
    return stop;
  };

  json::array results;
  int code = kExitOk;
  for (const auto* dataset : wanted) {
    introduce(*dataset, folder, progress);
    json::object result{{"name", dataset->name}, {"folder", (folder / dataset->name).string()}};
    try {
      tasks::FetchOptions fetch;
      fetch.folder = folder;
      fetch.force = options.has("force");
      fetch.command = "lethe fetch " + dataset->name;
      json::array files;
      for (const auto& file : tasks::fetch_dataset(*dataset, fetch, hooks)) {
        files.push_back(fetched_json(file));
      }
      result["state"] = "present";
      result["files"] = files;
      progress.message(dataset->name + " is there: " + (folder / dataset->name).string());
    } catch (const Error& error) {
      result["state"] = error.kind() == ErrorKind::kInterrupted ? "interrupted" : "failed";
      result["error"] = error.what();
      progress.message("lethe: error: " + dataset->name + ": " + error.what());
      code = std::max(code, exit_code_for(error.kind()));
    }
    results.push_back(std::move(result));
    if (stop) break;
  }
  if (options.has("json")) print_json(results);
  return stop ? kExitInterrupted : code;
}

}  // namespace

Command fetch_command() {
  CommandSpec spec;
  spec.name = "fetch";
  spec.summary = "data sets from their owners' addresses, checked and unpacked";
  spec.description =
      "Downloads data sets from where their owners publish them; licence and size are shown "
      "before\n"
      "anything is fetched. They go to --data DIR, else $LETHE_DATA, else lethe/data in the "
      "user's\n"
      "cache folder, and tasks look for them there. A download that was cut off is gone on with by "
      "the\n"
      "same command; sizes and checksums are compared, those that the owner does not publish with "
      "the\n"
      "first download's. Archives with links, absolute paths or .. are refused. Without a network "
      "the\n"
      "command says what to get by hand and where to put it.";
  spec.arguments = {{"NAME", false, true}};
  spec.options = {{"list", "", "what there is to fetch, and whether it is here"},
                  data_option(),
                  {"force", "", "fetch again what is here"},
                  {"json", "", "results as JSON on standard output"},
                  {"catalogue", "FILE", "another catalogue than data/datasets.json"}};
  spec.examples = {{"what there is, with licences and sizes", "lethe fetch --list"},
                   {"the same for a program", "lethe fetch --list --json --data my-data"}};
  return {spec, run, {}};
}

}  // namespace lethe::cli
