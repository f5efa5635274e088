// SPDX-License-Identifier: Apache-2.0
#include "harness/base/names.h"

#include "harness/base/spec.h"
#include "tests/support/catch.h"

namespace lethe {
namespace {

TEST_CASE("slips are recognised, other words are not", "[unit]") {
  const std::vector<std::string> known = {"budgets", "lengths", "policies", "tova", "window"};
  CHECK(closest_name("budgts", known) == "budgets");
  CHECK(closest_name("widnow", known) == "window");  // a swap counts once
  CHECK(closest_name("pol", known) == "policies");   // a beginning
  CHECK(closest_name("TOVA", known) == std::nullopt);
  CHECK(closest_name("quick", known) == std::nullopt);
  const Error error = unknown_name(ErrorKind::kConfig, "axis", "lenghts", known);
  CHECK(std::string(error.what()) ==
        "axis 'lenghts' is unknown; did you mean 'lengths'? known: budgets, lengths, policies, "
        "tova, window");
}

TEST_CASE("specifications parse and print canonically", "[unit]") {
  const Spec spec = Spec::parse("snapkv:window=64,kernel=5", ErrorKind::kPolicy);
  CHECK(spec.name == "snapkv");
  CHECK(spec.text() == "snapkv:kernel=5,window=64");
  CHECK(spec.integer("window", 0, 1, 100, ErrorKind::kPolicy) == 64);
  CHECK(spec.integer("absent", 7, 1, 100, ErrorKind::kPolicy) == 7);
  CHECK_THROWS_AS(spec.integer("window", 0, 1, 63, ErrorKind::kPolicy), Error);
  CHECK(Spec::parse("full", ErrorKind::kPolicy).text() == "full");
  for (const char* bad : {"", ":a=1", "x:", "x:a", "x:a=", "x:=1", "x:a=1,a=2", "x:a=1,"}) {
    CAPTURE(bad);
    CHECK_THROWS_AS(Spec::parse(bad, ErrorKind::kPolicy), Error);
  }
}

TEST_CASE("integers are read whole or not at all", "[unit]") {
  CHECK(parse_integer("-12") == -12);
  CHECK(parse_integer("9223372036854775807") == INT64_MAX);
  for (const char* bad : {"", "1x", " 1", "1 ", "1.0", "9223372036854775808", "+1"}) {
    CAPTURE(bad);
    CHECK(parse_integer(bad) == std::nullopt);
  }
}

TEST_CASE("context reads from the outside in; kinds map to exit codes", "[unit]") {
  Error error(ErrorKind::kModel, "cut short");
  error.add_context("layer 7").add_context("model.gguf");
  CHECK(std::string(error.what()) == "model.gguf: layer 7: cut short");
  CHECK(exit_code_for(ErrorKind::kConfig) == 2);
  CHECK(exit_code_for(ErrorKind::kStore) == 2);
  CHECK(exit_code_for(ErrorKind::kCrash) == 1);
  CHECK(exit_code_for(ErrorKind::kInterrupted) == 130);
  try {
    LETHE_ASSERT(1 == 2, "numbers");
    FAIL("not thrown");
  } catch (const Error& failed) {
    CHECK(failed.kind() == ErrorKind::kInternal);
    CHECK(std::string(failed.what()).find("1 == 2") != std::string::npos);
  }
}

}  // namespace
}  // namespace lethe
