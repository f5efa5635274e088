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
  CHECK(sink.most == 0);
}

// A recipe of one step, quick to be trained whole.
training::RmtRecipe one_step(const char* name) {
  auto text = small_recipe_json();
  text["name"] = name;
  auto& stages = text["stages"].as_array();
  stages.pop_back();
  stages[0].as_object()["steps"] = 1;
  return parsed_recipe(text);
}

TEST_CASE("a finished run is known by its folder, and no other run takes it", "[rmt][fault]") {
  const TempDir folder;
  const auto recipe = one_step("first");
  auto options = options_for(folder / "out");
  CHECK_FALSE(is_trained(recipe, options));
  require_free(recipe, options);
  Sink sink;
  REQUIRE(train_rmt(recipe, options, sink).finished);
  CHECK(is_trained(recipe, options));
  require_free(recipe, options);  // its own

  const auto refused = [&](const training::RmtRecipe& other, std::uint64_t seed) {
    auto changed = options;
    changed.seed = seed;
    CHECK_FALSE(is_trained(other, changed));
    return error_of(ErrorKind::kConfig, [&] { require_free(other, changed); });
  };
  CHECK_THAT(refused(recipe, 2), Contains("expected a new folder or one of recipe first, seed 2") &&
                                     Contains("found a finished run of recipe \"first\", seed 1"));
  CHECK_THAT(refused(one_step("second"), 1), Contains("one of recipe second, seed 1"));
  auto quicker = small_recipe_json();
  quicker["name"] = "first";
  CHECK_THAT(refused(parsed_recipe(quicker), 1), Contains("or of other settings"));

  // Provenance that nobody knows is another run's.
  write_bytes(options.out / "provenance.json", "[]");
  CHECK_THAT(refused(recipe, 1), Contains("recipe unknown, seed unknown"));
  write_bytes(options.out / "provenance.json", "{");
  CHECK_THROWS_AS(is_trained(recipe, options), Error);
  fs::remove(options.out / "provenance.json");
  require_free(recipe, options);
}

TEST_CASE("a run that is to keep its stages is trained when they are there", "[rmt]") {
  const TempDir folder;
  const auto recipe = one_step("first");
  auto options = options_for(folder / "out"), keeping = options;
  keeping.keep_stages = true;
  Sink without, with;
  REQUIRE(train_rmt(recipe, options, without).finished);
  CHECK(is_trained(recipe, options));
  CHECK_FALSE(is_trained(recipe, keeping));
  const auto model = bytes_of(options.out / "model.safetensors");
  REQUIRE(train_rmt(recipe, keeping, with).finished);
  CHECK(is_trained(recipe, keeping));
  CHECK(bytes_of(options.out / "model.safetensors") == model);
  fs::remove(options.out / "stages/one/model.safetensors");
  CHECK_FALSE(is_trained(recipe, keeping));
  CHECK(is_trained(recipe, options));
}

}  // namespace
}  // namespace lethe::test
