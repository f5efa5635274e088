// SPDX-License-Identifier: Apache-2.0
// libcurl, opened when something is to be downloaded. Internal to this room.
#pragma once

#include <curl/curl.h>

// Macros that check the types of literal calls; through a pointer they do not apply.
#undef curl_easy_setopt
#undef curl_easy_getinfo

namespace lethe::tasks {

/// The functions of libcurl that a download calls. Linked, the library and the forty it needs would
/// cost every start of the program 20 ms (measured: 8 ms become 27).
struct CurlLibrary {
  decltype(&::curl_global_init) global_init;
  decltype(&::curl_easy_init) easy_init;
  decltype(&::curl_easy_cleanup) easy_cleanup;
  decltype(&::curl_easy_setopt) easy_setopt;
  decltype(&::curl_easy_perform) easy_perform;
  decltype(&::curl_easy_getinfo) easy_getinfo;
  decltype(&::curl_easy_strerror) easy_strerror;
  decltype(&::curl_slist_append) slist_append;
  decltype(&::curl_slist_free_all) slist_free_all;
};

/// Opens and starts libcurl at the first call; never closed. Thread-safe. Throws Error(kConfig)
/// when it is not installed.
const CurlLibrary& curl_library();

}  // namespace lethe::tasks
