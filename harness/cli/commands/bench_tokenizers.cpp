// SPDX-License-Identifier: Apache-2.0
// lethe bench tokenizers: how long a tokenizer takes for long texts of hard shapes.
#include <algorithm>
#include <iostream>
#include <string>
#include <string_view>
#include <vector>

#include "harness/base/clock.h"
#include "harness/base/error.h"
#include "harness/base/seed.h"
#include "harness/base/text.h"
#include "harness/cli/commands/bench_runs.h"
#include "harness/cli/models.h"
#include "harness/cli/output.h"
#include "harness/cli/root.h"
#include "models/tokenizer/tokenizer.h"
#include "tasks/datasets/pg19_books.h"

namespace lethe::cli {
namespace {

/// Cut to `bytes`, and further back to a whole character.
std::string cut_to(std::string text, std::size_t bytes) {
  text.resize(std::min(text.size(), bytes));
  if (const auto broken = first_invalid_utf8(text)) text.resize(*broken);
  return text;
}

std::string repeated(std::string_view piece, std::size_t bytes) {
  std::string text;
  while (text.size() + piece.size() <= bytes) text += piece;
  return text;
}

std::string one_word(std::size_t bytes) {
  RandomStream random(1);
  std::string text;
  for (std::size_t i = 0; i < bytes; ++i) text += static_cast<char>('a' + random.below(26));
  return text;
}

std::string books(std::size_t bytes) {
  const tasks::Pg19Books shipped(root_folder() / "data/samples/pg19");
  std::string text;
  while (text.size() < bytes) {
    for (const auto& id : shipped.ids()) {
      text += shipped.read(id).text;
      if (text.size() >= bytes) break;
    }
  }
  return cut_to(std::move(text), bytes);
}

struct Shape {
  const char* name;
  std::string text;
};

}  // namespace

int bench_tokenizers(const Options& options) {
  const auto bytes =
      static_cast<std::size_t>(options.integer("bytes", 1'000'000, 100, 100'000'000));
  const auto model = tokenizer_path(options.text("model", "smollm2-135m"));
  const auto tokenizer = models::open_tokenizer(model);
  const Shape shapes[] = {{"books", books(bytes)},
                          {"one word of random letters", one_word(bytes / 10)},
                          {"one letter", repeated("a", bytes)},
                          {"spaces", repeated(" ", bytes)},
                          {"line ends", repeated("\n", bytes)},
                          {"digits", repeated("7", bytes)},
                          {"punctuation", repeated("!", bytes)},
                          {"Chinese", repeated("\xe4\xb8\xad\xe6\x96\x87", bytes)},
                          {"emoji", repeated("\xf0\x9f\x98\x80", bytes)}};
  json::array rows;
  for (const Shape& shape : shapes) {
    const double start = system_clock().steady_seconds();
    const auto ids = tokenizer->encode(shape.text, true);
    const double seconds = system_clock().steady_seconds() - start;
    rows.push_back({{"model", model.string()},
                    {"shape", shape.name},
                    {"bytes", shape.text.size()},
                    {"tokens", ids.size()},
                    {"seconds", seconds}});
    if (!options.has("json")) {
      std::cout << shape.name << ": "
                << with_thousands(static_cast<std::int64_t>(shape.text.size())) << " bytes, "
                << with_thousands(static_cast<std::int64_t>(ids.size())) << " tokens, "
                << fixed(seconds, 3) << " s\n"
                << std::flush;
    }
  }
  if (options.has("json")) print_json(rows);
  return kExitOk;
}

}  // namespace lethe::cli
