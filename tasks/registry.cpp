// SPDX-License-Identifier: Apache-2.0
#include "tasks/registry.h"

#include "harness/base/error.h"
#include "harness/base/names.h"
#include "tasks/pg19.h"

namespace lethe::tasks {

std::unique_ptr<Task> make_task(const std::string& name, const json::object& options,
                                std::int64_t length, const std::filesystem::path& root) {
  if (name == "pg19") {
    return std::make_unique<Pg19Task>(Pg19Options::parse(options, root), length);
  }
  std::vector<std::string> known;
  for (const auto& task : list_tasks()) known.push_back(task.name);
  throw unknown_name(ErrorKind::kConfig, "task", name, known);
}

std::vector<NamedInfo> list_tasks() {
  return {{"pg19",
           "perplexity of windows of PG-19 books",
           "arXiv 2401.06104, sections 5.2 and 6.1",
           {"books: list of ids, or \"all\" (default)",
            "data: folder of <id>.txt (default data/samples/pg19)",
            "windows: per book, or \"all\" (default) that fit",
            "stride: tokens from window to window (default: no overlap, no gap)",
            "start: token offset of the first window (default 0)",
            "bos: auto (default: head of the book, if the tokenizer asks for it), never, window",
            "tail: drop (the tokens that fill no window)"}}};
}

std::vector<NamedInfo> list_metrics() {
  const std::string where = "tasks/metrics/perplexity.h; column metric of the view results";
  return {{"mean_nll", "sum of NLL / number of predicted tokens, nats per model token", where, {}},
          {"ppl", "token average: exp(mean_nll), a long book weighs more", where, {}},
          {"ppl_book", "book average: mean of the books' own perplexities", where, {}}};
}

}  // namespace lethe::tasks
