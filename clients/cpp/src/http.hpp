// One HTTP exchange over a kept connection: bytes out, bytes in.
#pragma once

#include <curl/curl.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

namespace gradwire {

/// When the timeout of a call passes: in ten days at the latest, so that a timeout may be as long as its type can say.
class Deadline {
 public:
  explicit Deadline(std::chrono::milliseconds timeout)
      : end_(std::chrono::steady_clock::now() + std::clamp<std::chrono::milliseconds>(timeout, std::chrono::milliseconds(0), std::chrono::hours(240))) {}
  std::chrono::milliseconds left() const {
    return std::chrono::ceil<std::chrono::milliseconds>(end_ - std::chrono::steady_clock::now());
  }

 private:
  std::chrono::steady_clock::time_point end_;
};

struct Request {
  std::string address;
  std::string media_type;
  std::string api_key;
  std::string body;
  std::size_t most_reply_bytes;
};

/// What came back: all of it if `code` is CURLE_OK, else as far as it came.
struct Answer {
  CURLcode code = CURLE_OK;
  std::string reason;  // the system's words, where code is not CURLE_OK
  std::string waited_for;
  bool began = false;     // some byte of the reply came
  bool too_large = false;
  long status = 0;
  std::string media_type;
  std::optional<std::string> retry_after;
  std::string location;
  std::string request_id;
  std::string body;
};

/// Connections that are kept between calls. Several threads may post at once, each over one of its own.
class Connections {
 public:
  Connections();
  Answer post(const Request& request, const Deadline& deadline);

 private:
  using Handle = std::unique_ptr<CURL, decltype(&curl_easy_cleanup)>;
  Handle take();
  void give_back(Handle handle);

  std::mutex mutex_;
  std::vector<Handle> idle_;
};

}  // namespace gradwire
