// SPDX-License-Identifier: Apache-2.0
#include "harness/cli/bench_support.h"

#include <algorithm>

#include "harness/base/error.h"
#include "harness/base/names.h"
#include "harness/base/text.h"
#include "harness/base/version.h"
#include "harness/base/machine.h"
#include "harness/cli/models.h"
#include "harness/cli/root.h"
#include "models/engine/evaluate.h"
#include "tasks/datasets/pg19_books.h"

namespace lethe::cli {

std::vector<std::int64_t> positive_integers(const std::string& text, const std::string& option) {
  std::vector<std::int64_t> values;
  for (const auto& part : split(text, ',')) {
    const auto value = parse_integer(part);
    if (!value || *value < 1) {
      throw Error(
          ErrorKind::kUsage,
          "--" + option + ": expected whole numbers separated by commas, found '" + part + "'");
    }
    values.push_back(*value);
  }
  return values;
}

std::vector<std::string> bench_dtypes(const std::string& given, const std::string& device) {
  std::vector<std::string> dtypes = {"float32"};
  if (!given.empty()) {
    dtypes = split(given, ',');
  } else if (device != "cpu" || cpu_has_bfloat16()) {
    dtypes.push_back("bfloat16");
  }
  for (const auto& dtype : dtypes) models::parse_dtype(dtype);
  return dtypes;
}

std::vector<std::int64_t> book_tokens(const models::Tokenizer& tokenizer, std::int64_t count) {
  const tasks::Pg19Books books(root_folder() / "data/samples/pg19");
  std::vector<std::int64_t> tokens;
  const auto enough = static_cast<std::size_t>(count);
  for (const auto& id : books.ids()) {
    if (tokens.size() >= enough) break;
    const auto book = tokenizer.encode(books.read(id).text, false);
    tokens.insert(tokens.end(), book.begin(), book.end());
  }
  if (tokens.size() < enough) {
    throw Error(ErrorKind::kUsage, "the shipped books have " + std::to_string(tokens.size()) +
                                       " tokens, " + std::to_string(count) + " were asked for");
  }
  tokens.resize(enough);
  return tokens;
}

BenchInput open_bench(const Options& options, const std::string& model, std::int64_t tokens) {
  models::require_device(options.text("device", "cpu"));
  if (options.has("threads")) {
    models::set_compute_threads(static_cast<int>(options.integer("threads", 1, 1, 1024)));
  }
  const auto file = resolve_model(model);
  const auto tokenizer = models::open_tokenizer(file.path);
  return {file.name, models::open_checkpoint(file.path), tokenizer->vocab_size(),
          book_tokens(*tokenizer, tokens)};
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const std::size_t middle = values.size() / 2;
  return values.size() % 2 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
}

double spread(const std::vector<double>& values) {
  const auto [least, most] = std::minmax_element(values.begin(), values.end());
  return (*most - *least) / median(values);
}

json::object bench_machine(const std::string& model, const std::string& device) {
  return {{"model", model},
          {"cpu", cpu_name()},
          {"device", device},
          {"bfloat16_units", cpu_has_bfloat16()},
          {"threads", models::compute_threads()},
          {"torch", models::torch_version()},
          {"version", version().version},
          {"commit", version().git_commit}};
}

std::string bench_machine_line(const std::string& device) {
  std::string line = cpu_name() + ", " + std::to_string(models::compute_threads()) +
                     " threads, device " + device + ", LibTorch " + models::torch_version();
  if (device == "cpu" && !cpu_has_bfloat16()) {
    line += " (no bfloat16 units: bfloat16 is left out unless --dtypes names it)";
  }
  return line;
}

}  // namespace lethe::cli
