// SPDX-License-Identifier: Apache-2.0
#include "tasks/datasets/curl_library.h"

#include <dlfcn.h>

#include <string>

#include "harness/base/error.h"

namespace lethe::tasks {

namespace {

[[noreturn]] void fail(const std::string& why) {
  throw Error(ErrorKind::kConfig,
              "downloading needs libcurl.so.4: " + why +
                  "; install it with ./lethe setup, or apt-get install libcurl4");
}

template <typename Function>
void find(void* library, const char* name, Function& function) {
  function = reinterpret_cast<Function>(dlsym(library, name));
  if (function == nullptr) fail("it has no " + std::string(name));
}

CurlLibrary open_library() {
  void* library = dlopen("libcurl.so.4", RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) fail(std::string("it cannot be opened (") + dlerror() + ")");
  CurlLibrary curl{};
  find(library, "curl_global_init", curl.global_init);
  find(library, "curl_easy_init", curl.easy_init);
  find(library, "curl_easy_cleanup", curl.easy_cleanup);
  find(library, "curl_easy_setopt", curl.easy_setopt);
  find(library, "curl_easy_perform", curl.easy_perform);
  find(library, "curl_easy_getinfo", curl.easy_getinfo);
  find(library, "curl_easy_strerror", curl.easy_strerror);
  find(library, "curl_slist_append", curl.slist_append);
  find(library, "curl_slist_free_all", curl.slist_free_all);
  if (curl.global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) fail("it does not start");
  return curl;
}

}  // namespace

const CurlLibrary& curl_library() {
  static const CurlLibrary library = open_library();
  return library;
}

}  // namespace lethe::tasks
