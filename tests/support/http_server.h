// SPDX-License-Identifier: Apache-2.0
// An HTTP server on the loopback interface that misbehaves as it is told.
#pragma once

#include <condition_variable>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

namespace lethe::test {

/// What stands at one path, and how it is sent.
struct HttpFile {
  std::string bytes;
  std::string etag = "\"v1\"";  ///< none when empty
  bool ranges = true;           ///< honours Range
  bool length = true;           ///< sends Content-Length
  bool chunked = false;         ///< sends chunks instead
  int status = 200;
  std::string location = {};  ///< for a redirect
  /// The connection is closed after so many bytes of the body, `cuts` times.
  std::optional<std::size_t> cut_after = std::nullopt;
  int cuts = 1;
  int refusals = 0;              ///< so many requests are answered 503 first
  int pause_ms = 0;              ///< behind every 4 KiB
  bool if_range = true;          ///< honours If-Range
  std::string retry_after = {};  ///< said with the refusals
};

/// One request as it came; header names in lower case.
struct HttpRequest {
  std::string path;
  std::map<std::string, std::string> headers;
};

/// Serves one connection after the other until it is destroyed.
class HttpServer {
 public:
  HttpServer();
  ~HttpServer();
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  void put(const std::string& path, HttpFile file);
  /// "http://127.0.0.1:PORT/path" for "/path".
  std::string url(const std::string& path) const;
  std::vector<HttpRequest> requests() const;

 private:
  void serve();
  void answer(int connection);
  void send_file(int connection, const HttpRequest& request, HttpFile& file);

  int listener_ = -1;
  int port_ = 0;
  mutable std::mutex mutex_;
  std::map<std::string, HttpFile> files_;
  std::vector<HttpRequest> requests_;
  int connection_ = -1;  ///< that is being answered
  bool stopping_ = false;
  std::condition_variable stop_;
  std::thread thread_;
};

}  // namespace lethe::test
