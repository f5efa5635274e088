// SPDX-License-Identifier: Apache-2.0
// Checkpoints that cannot be written leave what was there.
#include <sys/resource.h>

#include <csignal>
#include <filesystem>
#include <map>

#include "models/rmt/recurrent_model.h"
#include "tests/models/file_support.h"
#include "tests/support/catch.h"
#include "tests/support/fixtures.h"
#include "tests/training/training_support.h"
#include "training/rmt_checkpoint.h"

namespace lethe::test {
namespace {

namespace fs = std::filesystem;
using Catch::Matchers::Contains;

/// While it lives, a write beyond so many bytes of a file fails, as on a full disk.
class ShortFiles {
 public:
  explicit ShortFiles(rlim_t bytes) {
    getrlimit(RLIMIT_FSIZE, &before_);
    handler_ = std::signal(SIGXFSZ, SIG_IGN);
    const rlimit limit{bytes, before_.rlim_max};
    setrlimit(RLIMIT_FSIZE, &limit);
  }
  ~ShortFiles() {
    setrlimit(RLIMIT_FSIZE, &before_);
    std::signal(SIGXFSZ, handler_);
  }
  ShortFiles(const ShortFiles&) = delete;
  ShortFiles& operator=(const ShortFiles&) = delete;

 private:
  rlimit before_{};
  void (*handler_)(int) = nullptr;
};

std::map<std::string, std::string> files_of(const fs::path& folder) {
  std::map<std::string, std::string> files;
  for (const auto& entry : fs::directory_iterator(folder)) {
    if (entry.is_regular_file()) files[entry.path().filename()] = bytes_of(entry.path());
  }
  return files;
}

struct Fixture {
  training::RmtRecipe recipe = small_recipe();
  training::RmtTrainOptions options = options_for("");
  training::RmtStart start = rmt_start(recipe, options);

  void write(const fs::path& folder, std::uint64_t seed) const {
    write_rmt_checkpoint(folder, recipe, options, start, start.layout->initial(seed),
                         {12, 1, 2.5, "key", {0.5}});
  }
};

TEST_CASE("a checkpoint says how it was made and is what was trained", "[rmt]") {
  const TempDir folder;
  const Fixture fixture;
  fixture.write(folder.path(), 4);
  const auto model = models::load_recurrent_model(folder.path(), models::DType::kFloat32);
  CHECK(model->config() == fixture.start.layout->config());
  const auto& rmt = model->recurrent();
  CHECK(rmt.memory_tokens == 2);
  CHECK(rmt.segment_tokens == 16);
  CHECK(rmt.labels.size() == 6);
  CHECK(rmt.training.at("task") == "detect");
  CHECK(rmt.training.at("steps") == 12);
  CHECK(rmt.training.at("trained_segments") == 3);
  const auto provenance = read_json_file(folder / "provenance.json", ErrorKind::kData);
  CHECK(provenance.at("recipe") == json::value(fixture.recipe.text));
  CHECK(provenance.at("run_key") == "key");
  CHECK(provenance.at("parameters") == fixture.start.layout->size());
}

TEST_CASE("a checkpoint that cannot be written leaves the older one", "[rmt][fault]") {
  const TempDir folder;
  const Fixture fixture;
  const fs::path out = folder / "out";
  fixture.write(out, 1);
  const auto before = files_of(out);
  {
    const ShortFiles full(1000);
    CHECK_THAT(error_of(ErrorKind::kStore, [&] { fixture.write(out, 2); }),
               Contains("cannot write") && Contains("model.safetensors"));
  }
  CHECK(files_of(out) == before);  // and no half of a file beside them
  fixture.write(out, 2);
  CHECK(files_of(out).at("model.safetensors") != before.at("model.safetensors"));

  // A folder in the way of a file, and a file in the way of the folder.
  fs::create_directories(folder / "blocked/model.safetensors/inside");
  CHECK_THAT(error_of(ErrorKind::kStore, [&] { fixture.write(folder / "blocked", 1); }),
             Contains("cannot write") && Contains("model.safetensors"));
  CHECK(files_of(folder / "blocked").empty());
  write_bytes(folder / "file", "x");
  CHECK_THAT(error_of(ErrorKind::kStore, [&] { fixture.write(folder / "file/out", 1); }),
             Contains("cannot write") && Contains("file/out"));
}

TEST_CASE("a run whose folder cannot be written ends before its first step", "[rmt][fault]") {
  const TempDir folder;
  write_bytes(folder / "file", "x");
  Sink sink;
  const auto train = [&] {
    training::train_rmt(small_recipe(), options_for(folder / "file/out"), sink);
  };
  CHECK_THAT(error_of(ErrorKind::kStore, train), Contains("cannot write"));
  CHECK(sink.most_steps == 0);
}

}  // namespace
}  // namespace lethe::test
