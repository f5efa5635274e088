// SPDX-License-Identifier: Apache-2.0
#include "policies/schedule.h"

#include <algorithm>
#include <limits>

#include "tests/support/catch.h"

namespace lethe::policies {
namespace {

using Kind = Schedule::Kind;

/// The message with which a function refuses; "accepted" when it does not.
template <typename F>
std::string refusal(const F& f) {
  try {
    f();
  } catch (const Error& error) {
    CHECK(error.kind() == ErrorKind::kConfig);
    return error.what();
  }
  return "accepted";
}

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

TEST_CASE("schedules are read and written", "[unit]") {
  for (const std::string text : {"exact", "block:512", "post-prompt", "prefill-only", "every:8"}) {
    CHECK(Schedule::parse(text).text() == text);
  }
  CHECK(Schedule::parse("block:1").text() == "exact");
  CHECK(Schedule::parse("block:512").block == 512);
  CHECK(Schedule::parse("block:1048576").block == 1048576);
  CHECK(Schedule::parse("exact").needs_prompt() == false);
  CHECK(Schedule::parse("block:2").needs_prompt() == false);
  CHECK(Schedule::parse("post-prompt").needs_prompt());
  CHECK(Schedule::parse("prefill-only").needs_prompt());
  CHECK(Schedule::parse("every:8").needs_prompt());
  CHECK(Schedule::parse("every:8").block == 8);
  CHECK(Schedule::parse("every:1").text() == "post-prompt");
}

TEST_CASE("bad schedules are refused with the reason", "[fault]") {
  const auto message = [](const std::string& text) {
    return refusal([&] { Schedule::parse(text); });
  };
  CHECK(contains(message("exactly"), "did you mean 'exact'?"));
  CHECK(contains(message("prefil-only"), "did you mean 'prefill-only'?"));
  CHECK(contains(message("block"), "block:m"));
  CHECK(contains(message(""), "schedule"));
  for (const std::string text :
       {"block:", "block:0", "block:-4", "block:x", "block:4x", "block:1048577"}) {
    CHECK(contains(message(text), "as in block:512"));
  }
  CHECK(contains(message("every:0"), "as in every:512"));
}

/// Whether token `step` is followed by a cut, from the description of the kinds alone.
bool cuts_after(const Schedule& schedule, std::int64_t step) {
  switch (schedule.kind) {
    case Kind::kExact:
      return true;
    case Kind::kBlock:
      return (step + 1) % schedule.block == 0;
    case Kind::kPostPrompt:
      return step + 1 >= schedule.prompt;
    case Kind::kPrefillOnly:
      return step + 1 == schedule.prompt;
    case Kind::kEvery:
      return step + 1 >= schedule.prompt && (step + 1 - schedule.prompt) % schedule.block == 0;
  }
  return false;
}

std::vector<Schedule> small_schedules() {
  std::vector<Schedule> all = {{Kind::kExact, 1, 0}};
  for (std::int64_t n = 1; n <= 9; ++n) {
    all.push_back({Kind::kBlock, n, 0});
    all.push_back({Kind::kPostPrompt, 1, n});
    all.push_back({Kind::kPrefillOnly, 1, n});
    all.push_back({Kind::kEvery, 2, n});
    all.push_back({Kind::kEvery, 5, n});
  }
  return all;
}

TEST_CASE("the next cut is the first at or after a token", "[property]") {
  for (const Schedule& schedule : small_schedules()) {
    for (std::int64_t step = 0; step < 30; ++step) {
      std::int64_t expected = std::numeric_limits<std::int64_t>::max();
      for (std::int64_t later = step; later < 60; ++later) {
        if (!cuts_after(schedule, later)) continue;
        expected = later;
        break;
      }
      CAPTURE(schedule.text(), schedule.prompt, step);
      CHECK(schedule.next_cut(step) == expected);
    }
  }
}

TEST_CASE("the most tokens that are live agree with counting them", "[property]") {
  for (const Schedule& schedule : small_schedules()) {
    for (std::int64_t budget = 1; budget <= 12; ++budget) {
      for (std::int64_t tokens = 1; tokens <= 30; ++tokens) {
        std::int64_t live = 0, most = 0;
        for (std::int64_t step = 0; step < tokens; ++step) {
          most = std::max(most, ++live);
          if (cuts_after(schedule, step)) live = std::min(live, budget);
        }
        CAPTURE(schedule.text(), schedule.prompt, budget, tokens);
        REQUIRE(schedule.most_live(budget, tokens) == most);
      }
    }
  }
  // Budgets far beyond any text do not overflow.
  constexpr std::int64_t kHuge = std::numeric_limits<std::int64_t>::max();
  for (const Schedule& schedule : small_schedules()) CHECK(schedule.most_live(kHuge, 20) == 20);
}

TEST_CASE("policies are refused under schedules they are not made for", "[fault]") {
  const auto message = [](const std::string& policy, const std::string& text,
                          std::int64_t prompt = 0) {
    Schedule schedule = Schedule::parse(text);
    schedule.prompt = prompt;
    return refusal([&] { check_schedule(known_policies().resolve(policy), schedule); });
  };
  for (const std::string policy : {"full", "random", "window", "tova", "h2o", "observed", "l2"}) {
    CAPTURE(policy);
    CHECK(message(policy, "exact") == "accepted");
    CHECK(message(policy, "block:7") == "accepted");
    CHECK(message(policy, "post-prompt", 1) == "accepted");
    CHECK(message(policy, "prefill-only", 100) == "accepted");
    CHECK(contains(message(policy, "post-prompt"), "the text has none"));
    CHECK(contains(message(policy, "prefill-only"), "the text has none"));
  }
  for (const std::string policy : {"truncate", "h2o-oracle"}) {
    CAPTURE(policy);
    CHECK(message(policy, "exact") == "accepted");
    CHECK(message(policy, "block:1") == "accepted");
    CHECK(contains(message(policy, "block:2"), "after every token only"));
    CHECK(contains(message(policy, "post-prompt", 10), "after every token only"));
    CHECK(contains(message(policy, "prefill-only", 10), "after every token only"));
  }
  CHECK(contains(message("snapkv", "exact"), "last 64 tokens"));
  CHECK(contains(message("snapkv", "post-prompt", 100), "last 64 tokens"));
  CHECK(contains(message("snapkv", "block:63"), "at least 64"));
  CHECK(message("snapkv", "block:64") == "accepted");
  CHECK(contains(message("snapkv", "prefill-only", 63), "the prompt has 63"));
  CHECK(message("snapkv", "prefill-only", 64) == "accepted");
  CHECK(message("snapkv", "every:64", 64) == "accepted");
  CHECK(contains(message("snapkv", "every:63", 64), "at least 64"));
  CHECK(contains(message("snapkv", "every:64", 63), "the prompt has 63"));
  CHECK(message("snapkv:window=1", "exact") == "accepted");

  PolicyPlan updated = known_policies().resolve("window");
  updated.traits.update_interval = 512;
  const auto with = [&](const std::string& text) {
    return refusal([&] { check_schedule(updated, Schedule::parse(text)); });
  };
  CHECK(with("block:512") == "accepted");
  CHECK(contains(with("block:256"), "use block:512"));
  CHECK(contains(with("exact"), "use block:512"));
}

TEST_CASE("settings in which nothing would happen, or too much, are refused", "[fault]") {
  const auto message = [](const std::string& policy, std::optional<std::int64_t> budget,
                          const std::string& text, std::int64_t length, std::int64_t prompt = 0) {
    Schedule schedule = Schedule::parse(text);
    schedule.prompt = prompt;
    return refusal(
        [&] { check_setting(known_policies().resolve(policy), budget, schedule, length); });
  };
  CHECK(message("tova", 64, "exact", 100) == "accepted");
  CHECK(message("tova", 200, "exact", 100) == "accepted");  // the full cache, by choice
  // The one cut comes when 90 tokens are there, and 10 after it: never more than the budget at a
  // cut.
  CHECK(contains(message("tova", 95, "prefill-only", 100, 90), "would drop nothing of 100 tokens"));
  CHECK(contains(message("tova", 95, "prefill-only", 100, 90), "after a prompt of 90"));
  CHECK(message("tova", 89, "prefill-only", 100, 90) == "accepted");
  CHECK(contains(message("tova", 64, "block:128", 100), "would drop nothing"));
  CHECK(message("tova", 64, "block:50", 100) == "accepted");
  CHECK(message("tova", 95, "post-prompt", 100, 90) == "accepted");
  // Its lower layers have more than the average, its higher ones less: those drop something.
  CHECK(message("pyramidkv", 95, "prefill-only", 100, 90) == "accepted");
  CHECK(message("h2o-oracle", 64, "exact", 32768) == "accepted");
  CHECK(contains(message("h2o-oracle", 64, "exact", 32769), "more than 32768"));
  CHECK(contains(message("full", 64, "exact", 100), "full"));
}

TEST_CASE("how many tokens a layer holds is known where the budget decides", "[unit]") {
  const auto most = [](const std::string& policy, std::optional<std::int64_t> budget,
                       const std::string& text, std::int64_t length, std::int64_t prompt = 0) {
    Schedule schedule = Schedule::parse(text);
    schedule.prompt = prompt;
    return most_live(known_policies().resolve(policy), budget, schedule, length);
  };
  CHECK(most("full", std::nullopt, "exact", 1000) == 1000);
  CHECK(most("tova", 64, "exact", 1000) == 65);
  CHECK(most("tova", 64, "post-prompt", 1000, 900) == 900);
  CHECK(most("truncate", 64, "exact", 1000) == std::nullopt);
}

}  // namespace
}  // namespace lethe::policies
