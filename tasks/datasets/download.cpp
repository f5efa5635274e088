// SPDX-License-Identifier: Apache-2.0
#include "tasks/datasets/download.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <memory>
#include <thread>
#include <utility>

#include "harness/base/hash.h"
#include "harness/base/json.h"
#include "harness/base/text.h"
#include "harness/base/version.h"
#include "tasks/datasets/curl_library.h"
#include "tasks/datasets/http_answer.h"

namespace lethe::tasks {

namespace fs = std::filesystem;

namespace {

fs::path state_path(const fs::path& target) {
  return target.string() + ".part.json";
}

/// The bytes that are here.
class Part {
 public:
  explicit Part(const fs::path& path)
      : path_(path),
        descriptor_(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644)) {
    struct stat info {};
    if (descriptor_ < 0 || fstat(descriptor_, &info) != 0 || !S_ISREG(info.st_mode)) {
      fail(descriptor_ < 0 ? errno : EINVAL);
    }
    size_ = info.st_size;
  }
  ~Part() { ::close(descriptor_); }
  Part(const Part&) = delete;
  Part& operator=(const Part&) = delete;

  std::int64_t size() const { return size_; }
  void clear() {
    if (ftruncate(descriptor_, 0) != 0) fail(errno);
    size_ = 0;
  }
  /// False when the disk refuses; error() then says why.
  bool append(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t count = pwrite(descriptor_, bytes.data(), bytes.size(), size_);
      if (count < 0 && errno == EINTR) continue;
      if (count < 0) {
        error_ = errno;
        return false;
      }
      size_ += count;
      bytes.remove_prefix(static_cast<std::size_t>(count));
    }
    return true;
  }
  void sync() const {
    if (fsync(descriptor_) != 0) fail(errno);
  }
  int error() const { return error_; }
  [[noreturn]] void fail(int reason) const {
    throw Error(ErrorKind::kResource, "cannot write " + path_.string() + ": " +
                                          std::strerror(reason) +
                                          "; make room, or choose another folder with --data");
  }

 private:
  fs::path path_;
  int descriptor_;
  std::int64_t size_ = 0;
  int error_ = 0;
};

class Download {
 public:
  Download(const DownloadRequest& request, const DownloadHooks& hooks,
           const DownloadPatience& patience)
      : request_(request), hooks_(hooks), patience_(patience), part_(part_path(request.target)) {
    read_state();
  }

  std::string run() {
    int tries = 0;
    double pause = patience_.pause_seconds;
    while (true) {
      const std::string reason = attempt();
      if (reason.empty()) break;
      if (part_.size() > most_) {
        most_ = part_.size();
        tries = 0;
        pause = patience_.pause_seconds;
      }
      if (++tries >= patience_.tries) fail(reason + "; " + kept());
      if (begun_anew_ >= patience_.tries) {
        fail("the file on the server changes again and again; try later");
      }
      if (retry_after_ > patience_.longest_pause_seconds) {
        fail(reason + " and asks to be left alone for " + human_duration(retry_after_) + "; " +
             kept());
      }
      hooks_.note(reason + "; trying again" +
                  (retry_after_ > pause ? " in " + human_duration(retry_after_) : ""));
      wait(std::max(pause, retry_after_));
      pause *= 2;
    }
    return finish();
  }

 private:
  [[noreturn]] void fail(const std::string& what) const {
    throw Error(ErrorKind::kData, request_.url + ": " + what);
  }

  [[noreturn]] void unreachable(const std::string& what) const {
    throw Unreachable(ErrorKind::kData,
                      request_.url + ": " + what + (part_.size() > 0 ? "; " + kept() : ""));
  }

  /// Once bytes have come, a network that is away is a connection that broke.
  std::string away(const std::string& what) const {
    if (!came_) unreachable(what);
    return what;
  }

  std::string kept() const {
    if (part_.size() == 0) return "nothing has come yet";
    if (validator_.empty() && !request_.sha256) {
      return "the server gives nothing to go on with, so the same command begins anew";
    }
    return human_bytes(static_cast<double>(part_.size())) +
           " are kept: the same command goes on from there";
  }

  void check_interrupted() const {
    if (!hooks_.interrupted()) return;
    throw Error(ErrorKind::kInterrupted, "interrupted; " + kept());
  }

  void wait(double seconds) const {
    const auto end = std::chrono::steady_clock::now() + std::chrono::duration<double>(seconds);
    while (std::chrono::steady_clock::now() < end) {
      check_interrupted();
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
  }

  /// What an earlier run left.
  void read_state() {
    const auto path = state_path(request_.target);
    if (fs::exists(path)) {
      try {
        const auto value = read_json_file(path, ErrorKind::kData);
        ObjectReader reader(value, path.string(), ErrorKind::kData);
        if (reader.string("url") == request_.url) {
          validator_ = reader.string("validator");
          if (reader.has("total")) total_ = reader.integer("total");
        }
      } catch (const Error&) {
        validator_.clear();  // half-written: the part begins anew
      }
    }
    if (request_.bytes && part_.size() > *request_.bytes) part_.clear();
    most_ = part_.size();
  }

  void write_state(const std::string& validator) {
    validator_ = validator;
    json::object state{{"url", request_.url}, {"validator", validator}};
    if (total_) state["total"] = *total_;
    write_file_atomically(state_path(request_.target), json::serialize(state) + "\n");
  }

  /// One request. "" when every byte is here, else why it has to be tried again.
  std::string attempt() {
    // Bytes whose origin cannot be told are of no use, unless a checksum will judge them.
    if (validator_.empty() && !request_.sha256) part_.clear();
    if (request_.bytes && part_.size() == *request_.bytes) return "";
    const std::unique_ptr<CURL, decltype(curl_.easy_cleanup)> handle(curl_.easy_init(),
                                                                     curl_.easy_cleanup);
    LETHE_ASSERT(handle, "libcurl gives no handle");
    answer_ = {};
    stop_ = nullptr;
    began_ = false;
    mixed_ = false;
    asked_from_ = part_.size();
    curl_slist* raw = nullptr;
    if (asked_from_ > 0 && !validator_.empty()) {
      raw = curl_.slist_append(raw, ("If-Range: " + validator_).c_str());
    }
    const std::unique_ptr<curl_slist, decltype(curl_.slist_free_all)> headers(raw,
                                                                              curl_.slist_free_all);
    set_up(handle.get(), headers.get());
    const CURLcode code = curl_.easy_perform(handle.get());
    if (stop_) std::rethrow_exception(std::exchange(stop_, nullptr));
    long proxy_status = 0;
    curl_off_t retry_after = 0;  // seconds; libcurl reads the date that it may be
    curl_.easy_getinfo(handle.get(), CURLINFO_HTTP_CONNECTCODE, &proxy_status);
    curl_.easy_getinfo(handle.get(), CURLINFO_RETRY_AFTER, &retry_after);
    retry_after_ = static_cast<double>(retry_after);
    return judge(code, proxy_status);
  }

  void set_up(CURL* handle, curl_slist* headers) {
    const auto set = [&](CURLoption option, auto value) {
      LETHE_ASSERT(curl_.easy_setopt(handle, option, value) == CURLE_OK, "libcurl lacks an option");
    };
    error_text_[0] = '\0';
    set(CURLOPT_URL, request_.url.c_str());
    set(CURLOPT_ERRORBUFFER, error_text_);
    set(CURLOPT_NOSIGNAL, 1L);
    set(CURLOPT_FOLLOWLOCATION, 1L);
    set(CURLOPT_MAXREDIRS, 10L);
    set(CURLOPT_PROTOCOLS_STR, "http,https");
    set(CURLOPT_REDIR_PROTOCOLS_STR, request_.url.starts_with("https:") ? "https" : "http,https");
    set(CURLOPT_USERAGENT, user_agent_.c_str());
    set(CURLOPT_HTTPHEADER, headers);
    set(CURLOPT_CONNECTTIMEOUT, patience_.connect_seconds);
    set(CURLOPT_LOW_SPEED_LIMIT, 1L);
    set(CURLOPT_LOW_SPEED_TIME, patience_.stalled_seconds);
    // Not CURLOPT_RESUME_FROM, which takes a whole answer for an error.
    const std::string range = std::to_string(asked_from_) + "-";
    if (asked_from_ > 0) set(CURLOPT_RANGE, range.c_str());  // copied by libcurl
    set(CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);               // a proxy's answer is not the server's
    set(CURLOPT_HEADERFUNCTION, &Download::on_header);
    set(CURLOPT_HEADERDATA, this);
    set(CURLOPT_WRITEFUNCTION, &Download::on_bytes);
    set(CURLOPT_WRITEDATA, this);
    set(CURLOPT_XFERINFOFUNCTION, &Download::on_tick);
    set(CURLOPT_XFERINFODATA, this);
    set(CURLOPT_NOPROGRESS, 0L);
  }

  std::string judge(CURLcode code, long proxy_status) {
    if (part_.error() != 0) part_.fail(part_.error());
    if (mixed_) {
      begin_anew("the server goes on with another file than it began");
      return "it begins anew";
    }
    const std::string reason = error_text_[0] ? error_text_ : curl_.easy_strerror(code);
    if (code != CURLE_OK && proxy_status >= 400) {
      const std::string what = "the proxy answers " + std::to_string(proxy_status) + " to CONNECT";
      if (proxy_status >= 500) return away(what);
      unreachable(what + (proxy_status == 407 ? ": it wants a name and a password"
                                              : ": it refuses the way to this server"));
    }
    switch (code) {
      case CURLE_OK:
        return judge_answer();
      case CURLE_COULDNT_RESOLVE_HOST:
      case CURLE_COULDNT_RESOLVE_PROXY:
      case CURLE_COULDNT_CONNECT:
        return away("cannot be reached: " + reason);
      case CURLE_OPERATION_TIMEDOUT:
        if (answer_.status == 0) return away("does not answer: " + reason);
        return "the connection stands still";
      case CURLE_PARTIAL_FILE:
      case CURLE_RECV_ERROR:
      case CURLE_SEND_ERROR:
      case CURLE_GOT_NOTHING:
      case CURLE_HTTP2:
      case CURLE_HTTP2_STREAM:
        return "the connection broke: " + reason;
      default:
        fail("cannot be fetched: " + reason);
    }
  }

  std::string judge_answer() {
    const auto status = answer_.status;
    if (status == 200 || status == 206) {
      if (!began_) fail("the server sends no bytes");
      if (!request_.bytes || part_.size() == *request_.bytes) return "";
      if (!answer_.framed) return "the connection ended early";
      const auto size = part_.size();
      remove_part(request_.target);
      fail("expected " + with_thousands(*request_.bytes) + " bytes, found " + with_thousands(size) +
           "; the owner's file is another one, and was removed");
    }
    // 416 answers a part that has every byte, or more than the file of today.
    if (status == 416 && asked_from_ > 0) {
      if (answer_.range_total == part_.size() && !validator_.empty()) return "";
      begin_anew("the file on the server is another one now");
      return "it begins anew";
    }
    if (status == 408 || status == 429 || status >= 500) {
      return "the server answers " + std::to_string(status);
    }
    const bool gone = status == 404 || status == 410;
    fail("the server answers " + std::to_string(status) +
         (gone                             ? " (no such file): its owner has moved or withdrawn it"
          : status == 401 || status == 403 ? " (not allowed)"
                                           : ""));
  }

  /// The server has another file than the part is of.
  void begin_anew(const std::string& why) {
    part_.clear();
    validator_.clear();
    total_.reset();
    most_ = 0;
    ++begun_anew_;
    fs::remove(state_path(request_.target));
    hooks_.note(why);
  }

  /// Before the first byte of the body: is it what was asked for?
  void begin_body() {
    began_ = true;
    came_ = true;
    const auto now = answer_.validator();
    const bool other = !validator_.empty() && !now.empty() && now != validator_;
    std::optional<std::int64_t> total = answer_.length;
    if (answer_.status == 206) {
      if (answer_.range_begin != part_.size()) {
        fail("asked for bytes from " + std::to_string(part_.size()) +
             ", the server sends others; try again with --force");
      }
      total = answer_.range_total;
      // A server, or a cache on the way, that heeds Range alone: its bytes are of another file.
      mixed_ = other || (total && total_ && *total != *total_);
      if (mixed_) return;
      if (part_.size() > 0) {
        hooks_.note("going on at " + human_bytes(static_cast<double>(part_.size())));
      }
    } else if (part_.size() > 0) {
      if (other) {
        begin_anew("the file on the server is another one now: beginning anew");
      } else {
        hooks_.note("the server cannot go on with a part: beginning anew");
        part_.clear();
      }
    }
    if (request_.bytes && total && *total != *request_.bytes) {
      fail("expected " + with_thousands(*request_.bytes) + " bytes, the server has " +
           with_thousands(*total) + "; the owner's file is another one");
    }
    if (!answer_.framed && !request_.bytes && !request_.sha256) {
      fail(
          "the server does not say how long the file is, and neither size nor checksum is known: "
          "half a file could not be told from a whole one; get it by hand");
    }
    total_ = request_.bytes ? request_.bytes : total;
    write_state(answer_.status == 206 && now.empty() ? validator_ : now);
  }

  std::size_t take(std::string_view bytes) {
    if (!began_) begin_body();
    if (mixed_) return 0;  // ends the transfer
    if (request_.bytes &&
        part_.size() + static_cast<std::int64_t>(bytes.size()) > *request_.bytes) {
      fail("expected " + with_thousands(*request_.bytes) + " bytes, the server sends more");
    }
    if (!part_.append(bytes)) return 0;
    hooks_.progress(part_.size(), total_);
    return bytes.size();
  }

  std::string finish() {
    part_.sync();
    const auto part = part_path(request_.target);
    const std::string sha256 = sha256_file(part);
    if (request_.sha256 && sha256 != *request_.sha256) {
      const auto size = part_.size();
      remove_part(request_.target);
      fail("expected SHA-256 " + *request_.sha256 + " (" + request_.sha256_source + "), found " +
           sha256 + " (" + with_thousands(size) +
           " bytes); the download was removed. Try again; if it stays so, the owner's file has "
           "changed or something on the way changes it");
    }
    fs::remove(state_path(request_.target));
    std::error_code ec;
    fs::rename(part, request_.target, ec);
    if (ec) {
      throw Error(ErrorKind::kResource,
                  "cannot name " + request_.target.string() + ": " + ec.message());
    }
    return sha256;
  }

  // libcurl is C: what is thrown in here waits until it has returned.
  template <typename Action>
  bool guarded(Action&& action) noexcept {
    try {
      action();
      return true;
    } catch (...) {
      stop_ = std::current_exception();
      return false;
    }
  }
  static std::size_t on_header(char* bytes, std::size_t, std::size_t size, void* self) {
    auto& download = *static_cast<Download*>(self);
    return download.guarded([&] { download.answer_.read_line({bytes, size}); }) ? size : 0;
  }
  static std::size_t on_bytes(char* bytes, std::size_t, std::size_t size, void* self) {
    auto& download = *static_cast<Download*>(self);
    std::size_t taken = 0;
    download.guarded([&] {
      const auto status = download.answer_.status;
      // The page that comes with a refusal is no part of the file.
      taken = status == 200 || status == 206 ? download.take({bytes, size}) : size;
    });
    return taken;
  }
  static int on_tick(void* self, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
    auto& download = *static_cast<Download*>(self);
    return download.guarded([&] { download.check_interrupted(); }) ? 0 : 1;
  }

  const DownloadRequest& request_;
  const DownloadHooks& hooks_;
  const DownloadPatience patience_;
  const CurlLibrary& curl_ = curl_library();
  const std::string user_agent_ = "lethe/" + lethe::version().version;
  Part part_;
  std::string validator_;  ///< of the bytes in the part; "" when there is none
  HttpAnswer answer_;
  bool began_ = false;  ///< the body of this answer
  bool came_ = false;   ///< bytes of the file have come in this run
  bool mixed_ = false;  ///< the bytes at hand are not of the file that the part is of
  std::int64_t asked_from_ = 0;
  std::int64_t most_ = 0;  ///< bytes of this file that were here at once
  int begun_anew_ = 0;     ///< times, because the server had another file
  double retry_after_ = 0;
  std::optional<std::int64_t> total_;  ///< bytes of the file that the part is of
  std::exception_ptr stop_;
  char error_text_[CURL_ERROR_SIZE] = {};
};

}  // namespace

fs::path part_path(const fs::path& target) {
  return target.string() + ".part";
}

void remove_part(const fs::path& target) {
  fs::remove(part_path(target));
  fs::remove(state_path(target));
}

std::string download(const DownloadRequest& request, const DownloadHooks& hooks,
                     const DownloadPatience& patience) {
  return Download(request, hooks, patience).run();
}

}  // namespace lethe::tasks
