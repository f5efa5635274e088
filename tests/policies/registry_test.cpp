// SPDX-License-Identifier: Apache-2.0
#include "policies/registry.h"
#include "tests/support/catch.h"

namespace lethe::policies {
namespace {

std::string canonical(const std::string& text) {
  return known_policies().resolve(text).text;
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
  CHECK(canonical("l2-head") == "l2");
  CHECK(canonical("l2-layer+4") == "l2:scope=layer,sinks=4");
  CHECK(canonical("baseline") == "truncate");
  CHECK(canonical("input-truncation") == "truncate");
  CHECK(canonical("tova:keep_current=false") == "tova");
  CHECK(canonical("tova-head:keep_current=true") == "tova:keep_current=true,scope=head");
  CHECK(canonical("snapkv:window=64,kernel=5,pool=avg,scope=head") == "snapkv");
  CHECK(canonical("snapkv:window=32,kernel=7,pool=max") == "snapkv:kernel=7,pool=max,window=32");
  CHECK(canonical("pyramidkv:beta=20") == "pyramidkv");
  CHECK(canonical("pyramidkv:beta=10,window=8,scope=layer") ==
        "pyramidkv:beta=10,scope=layer,window=8");
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
  CHECK(message("streaming-llm").find("window:sinks=4") != std::string::npos);
  CHECK(message("streaming-llm+4").find("cache-relative") != std::string::npos);
  CHECK(message("tova:keep_current=yes").find("known: true, false") != std::string::npos);
  CHECK(message("snapkv:kernel=4").find("use 5") != std::string::npos);
  CHECK(message("snapkv:window=0").find("between 1") != std::string::npos);
  CHECK(message("snapkv:pool=mean").find("known: avg, max") != std::string::npos);
  CHECK(message("snapkv:beta=20").find("beta") != std::string::npos);
  CHECK(message("snapkv+4").find("sinks") != std::string::npos);
  CHECK(message("pyramidkv:beta=0").find("between 1") != std::string::npos);
  CHECK(message("truncate:scope=head").find("takes no options") != std::string::npos);
  CHECK(message("h2o-oracle:sinks=1").find("sinks") != std::string::npos);
  CHECK(message("").find("name is empty") != std::string::npos);
}

TEST_CASE("a budget is what the policy needs", "[fault]") {
  const auto message = [](const std::string& text, std::optional<std::int64_t> budget) {
    try {
      check_budget(known_policies().resolve(text), budget);
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
  CHECK(message("snapkv", 64).find("at least 65") != std::string::npos);
  CHECK(message("snapkv", 65) == "accepted");
  CHECK(message("truncate", 1) == "accepted");
}

}  // namespace
}  // namespace lethe::policies
