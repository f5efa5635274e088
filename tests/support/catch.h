// SPDX-License-Identifier: Apache-2.0
// Catch2 2.13; version 3 names its matchers otherwise.
#pragma once
#include <catch2/catch.hpp>
