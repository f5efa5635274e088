// SPDX-License-Identifier: Apache-2.0
// A suite for the fake catalogue, and what tests of the grid ask of it.
#pragma once

#include <string>
#include <vector>

#include "harness/base/error.h"
#include "harness/grid/suite.h"
#include "tests/grid/fake_catalogue.h"

namespace lethe::test {

/// Five cells: full, and tova and window:sinks=4 at two budgets.
grid::Suite small_suite();

std::vector<grid::Cell> cells_of(const grid::Suite& suite, FakeCatalogue catalogue = {},
                                 const std::string& device = "cpu");

/// The message with which expand() refuses the suite, checked to be of this kind.
std::string expand_error(const grid::Suite& suite, ErrorKind kind, FakeCatalogue catalogue = {});

/// The suite with these members (JSON text), read from a file; the other members are those of
/// small_suite().
grid::Suite read_with(const std::string& members, const grid::Overrides& overrides = {});

/// The message of the Error(kConfig) that `body` throws.
template <typename Body>
std::string config_error(Body&& body);

bool contains(const std::string& text, const std::string& part);

void check_kind(const Error& error, ErrorKind kind);

template <typename Body>
std::string config_error(Body&& body) {
  try {
    body();
  } catch (const Error& error) {
    check_kind(error, ErrorKind::kConfig);
    return error.what();
  }
  return "no error";
}

}  // namespace lethe::test
