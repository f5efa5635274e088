// SPDX-License-Identifier: Apache-2.0
#include "policies/registry.h"
#include "tests/support/catch.h"

namespace lethe::policies {
namespace {

std::string canonical(const std::string& text) {
  return builtin_registry().resolve(text).text;
}

TEST_CASE("aliases of the papers resolve to canonical text", "[unit]") {
  CHECK(canonical("window") == "window");
  CHECK(canonical("window+4") == "window:sinks=4");
  CHECK(canonical("window:sinks=0") == "window");
  CHECK(canonical("recency") == "window");
  CHECK(canonical("tova-layer") == "tova");
  CHECK(canonical("tova-layer+1") == "tova:sinks=1");
  CHECK(canonical("tova:sinks=4,scope=layer") == "tova:sinks=4");
  CHECK(canonical("tova-head") == "tova:scope=head");
  CHECK(canonical("h2o-head") == "h2o");
  CHECK(canonical("h2o-layer") == "h2o:scope=layer");
}

TEST_CASE("bad specifications are refused with the reason", "[fault]") {
  const auto message = [](const std::string& text) {
    try {
      canonical(text);
    } catch (const Error& error) {
      CHECK(error.kind() == ErrorKind::kPolicy);
      return std::string(error.what());
    }
    return std::string("accepted");
  };
  CHECK(message("tovva").find("did you mean 'tova'?") != std::string::npos);
  CHECK(message("window:sink=4").find("did you mean 'sinks'?") != std::string::npos);
  CHECK(message("window:sinks=-1").find("is not an integer between 0") != std::string::npos);
  CHECK(message("window:sinks").find("not key=value") != std::string::npos);
  CHECK(message("window+x").find("window+4") != std::string::npos);
  CHECK(message("tova:scope=global").find("known: layer, head") != std::string::npos);
  CHECK(message("full:sinks=4").find("takes no options") != std::string::npos);
  CHECK(message("tova-head:scope=layer").find("already means") != std::string::npos);
  CHECK(message("").find("name is empty") != std::string::npos);
}

TEST_CASE("a budget is what the policy needs", "[fault]") {
  const auto message = [](const std::string& text, std::optional<std::int64_t> budget) {
    try {
      check_budget(builtin_registry().resolve(text), budget);
    } catch (const Error& error) {
      CHECK(error.kind() == ErrorKind::kConfig);
      return std::string(error.what());
    }
    return std::string("accepted");
  };
  CHECK(message("tova", 1) == "accepted");
  CHECK(message("full", std::nullopt) == "accepted");
  CHECK(message("tova", 0).find("too small") != std::string::npos);
  CHECK(message("tova", std::nullopt).find("needs a budget") != std::string::npos);
  CHECK(message("full", 4).find("takes no budget") != std::string::npos);
  CHECK(message("window+4", 4).find("at least 5") != std::string::npos);
}

}  // namespace
}  // namespace lethe::policies
