// SPDX-License-Identifier: Apache-2.0
#include "tests/support/http_server.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>

#include "harness/base/error.h"
#include "harness/base/text.h"

namespace lethe::test {

namespace {

constexpr std::size_t kPiece = 4096;

bool send_all(int connection, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t count = send(connection, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (count <= 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(count));
  }
  return true;
}

std::string lower(std::string text) {
  for (char& letter : text) {
    if (letter >= 'A' && letter <= 'Z') letter = static_cast<char>(letter - 'A' + 'a');
  }
  return text;
}

std::string read_head(int connection) {
  std::string head;
  char byte = 0;
  while (!head.ends_with("\r\n\r\n") && recv(connection, &byte, 1, 0) == 1) head += byte;
  return head;
}

HttpRequest parse_head(const std::string& head) {
  HttpRequest request;
  const auto lines = split(head, '\n');
  const auto words = split(lines.front(), ' ');
  if (words.size() > 1) request.path = words[1];
  for (const auto& line : lines) {
    const auto colon = line.find(": ");
    if (colon == std::string::npos) continue;
    auto value = line.substr(colon + 2);
    if (value.ends_with('\r')) value.pop_back();
    request.headers[lower(line.substr(0, colon))] = value;
  }
  return request;
}

std::string chunk(std::string_view bytes) {
  char size[32];
  std::snprintf(size, sizeof size, "%zx\r\n", bytes.size());
  return size + std::string(bytes) + "\r\n";
}

}  // namespace

HttpServer::HttpServer() : listener_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  auto* generic = reinterpret_cast<sockaddr*>(&address);
  const bool ready = listener_ >= 0 && bind(listener_, generic, size) == 0 &&
                     listen(listener_, 16) == 0 && getsockname(listener_, generic, &size) == 0;
  LETHE_ASSERT(ready, "no loopback interface");
  port_ = ntohs(address.sin_port);
  thread_ = std::thread([this] { serve(); });
}

HttpServer::~HttpServer() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    if (connection_ >= 0) shutdown(connection_, SHUT_RDWR);
  }
  stop_.notify_all();
  shutdown(listener_, SHUT_RDWR);
  thread_.join();
  close(listener_);
}

void HttpServer::put(const std::string& path, HttpFile file) {
  const std::lock_guard lock(mutex_);
  files_[path] = std::move(file);
}

std::string HttpServer::url(const std::string& path) const {
  return "http://127.0.0.1:" + std::to_string(port_) + path;
}

std::vector<HttpRequest> HttpServer::requests() const {
  const std::lock_guard lock(mutex_);
  return requests_;
}

void HttpServer::serve() {
  while (true) {
    const int connection = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    if (connection < 0) return;
    {
      const std::lock_guard lock(mutex_);
      if (stopping_) {
        close(connection);
        return;
      }
      connection_ = connection;
    }
    answer(connection);
    const std::lock_guard lock(mutex_);
    connection_ = -1;
    close(connection);
  }
}

void HttpServer::answer(int connection) {
  const auto request = parse_head(read_head(connection));
  HttpFile file;
  {
    const std::lock_guard lock(mutex_);
    requests_.push_back(request);
    const auto found = files_.find(request.path);
    if (found == files_.end()) {
      file = {"no such page", "", false, true, false, 404};
    } else {
      file = found->second;
      if (found->second.refusals > 0) {
        --found->second.refusals;
        file = {"busy", "", false, true, false, 503};
        file.retry_after = found->second.retry_after;
      } else if (file.cut_after && --found->second.cuts < 0) {
        file.cut_after.reset();
      }
    }
  }
  send_file(connection, request, file);
}

void HttpServer::send_file(int connection, const HttpRequest& request, HttpFile& file) {
  std::size_t begin = 0;
  int status = file.status;
  std::string range;
  const auto asked = request.headers.find("range");
  if (file.ranges && status == 200 && asked != request.headers.end()) {
    const auto known = request.headers.find("if-range");
    if (known == request.headers.end() || !file.if_range || known->second == file.etag) {
      begin = std::stoul(asked->second.substr(std::string("bytes=").size()));
      const auto total = std::to_string(file.bytes.size());
      status = begin < file.bytes.size() ? 206 : 416;
      range = status == 416 ? "bytes */" + total
                            : "bytes " + std::to_string(begin) + "-" +
                                  std::to_string(file.bytes.size() - 1) + "/" + total;
      begin = std::min(begin, file.bytes.size());
    }
  }
  std::string_view body = std::string_view(file.bytes).substr(begin);
  std::string head = "HTTP/1.1 " + std::to_string(status) + " Said\r\nConnection: close\r\n";
  if (!range.empty()) head += "Content-Range: " + range + "\r\n";
  if (!file.etag.empty()) head += "ETag: " + file.etag + "\r\n";
  if (!file.location.empty()) head += "Location: " + file.location + "\r\n";
  if (!file.retry_after.empty()) head += "Retry-After: " + file.retry_after + "\r\n";
  if (file.chunked) {
    head += "Transfer-Encoding: chunked\r\n";
  } else if (file.length) {
    head += "Content-Length: " + std::to_string(body.size()) + "\r\n";
  }
  if (!send_all(connection, head + "\r\n")) return;
  const bool cut = file.cut_after && *file.cut_after < body.size();
  if (cut) body = body.substr(0, *file.cut_after);
  while (!body.empty()) {
    const auto piece = body.substr(0, kPiece);
    if (!send_all(connection, file.chunked ? chunk(piece) : std::string(piece))) return;
    body.remove_prefix(piece.size());
    if (file.pause_ms == 0) continue;
    std::unique_lock lock(mutex_);
    stop_.wait_for(lock, std::chrono::milliseconds(file.pause_ms), [this] { return stopping_; });
  }
  if (file.chunked && !cut) send_all(connection, "0\r\n\r\n");
}

}  // namespace lethe::test
