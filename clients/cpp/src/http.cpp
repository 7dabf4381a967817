#include "http.hpp"

#include <algorithm>
#include <cctype>
#include <exception>
#include <string_view>

#include "gradwire/errors.hpp"

namespace gradwire {
namespace {

using Headers = std::unique_ptr<curl_slist, decltype(&curl_slist_free_all)>;

struct Reading {
  Answer answer;
  std::size_t most_bytes;
};

std::string lowered(std::string_view text) {
  std::string made(text);
  std::transform(made.begin(), made.end(), made.begin(), [](unsigned char letter) { return static_cast<char>(std::tolower(letter)); });
  return made;
}

std::string_view trimmed(std::string_view text) {
  const auto first = text.find_first_not_of(" \t\r\n");
  return first == std::string_view::npos ? std::string_view{} : text.substr(first, text.find_last_not_of(" \t\r\n") - first + 1);
}

void keep(Answer& answer, std::string_view line) {
  const auto colon = line.find(':');
  if (colon == std::string_view::npos) return;
  const std::string name = lowered(line.substr(0, colon));
  const std::string value(trimmed(line.substr(colon + 1)));
  if (name == "content-type") answer.media_type = lowered(trimmed(value.substr(0, value.find(';'))));
  if (name == "retry-after") answer.retry_after = value;
  if (name == "x-request-id") answer.request_id = value;
  if (name == "location") answer.location = value;
}

// libcurl calls these two; no exception may pass through it, and anything but `bytes` ends the transfer.
std::size_t on_header(const char* data, std::size_t, std::size_t bytes, void* reading) noexcept try {
  Answer& answer = static_cast<Reading*>(reading)->answer;
  answer.began = true;
  keep(answer, {data, bytes});
  return bytes;
} catch (const std::exception&) {
  return 0;
}

std::size_t on_body(const char* data, std::size_t, std::size_t bytes, void* reading) noexcept try {
  auto& [answer, most_bytes] = *static_cast<Reading*>(reading);
  answer.too_large = answer.body.size() + bytes > most_bytes;
  if (answer.too_large) return 0;
  answer.body.append(data, bytes);
  return bytes;
} catch (const std::exception&) {
  return 0;
}

Headers headers_of(const Request& request, std::chrono::milliseconds left) {
  Headers made(nullptr, curl_slist_free_all);
  const auto add = [&made](const std::string& line) {
    curl_slist* longer = curl_slist_append(made.get(), line.c_str());
    if (longer == nullptr) throw std::bad_alloc();
    static_cast<void>(made.release());
    made.reset(longer);
  };
  add("Content-Type: " + request.media_type);
  add("Accept: " + request.media_type);
  add("X-Request-Timeout-Ms: " + std::to_string(left.count()));
  add("Expect:");  // libcurl would wait a second for a server that does not say 100
  if (!request.api_key.empty()) add("Authorization: Bearer " + request.api_key);
  return made;
}

void only_http(CURL* handle) {
#if LIBCURL_VERSION_NUM >= 0x075500
  curl_easy_setopt(handle, CURLOPT_PROTOCOLS_STR, "http,https");
#else
  curl_easy_setopt(handle, CURLOPT_PROTOCOLS, static_cast<long>(CURLPROTO_HTTP | CURLPROTO_HTTPS));
#endif
}

void prepare(CURL* handle, const Request& request, curl_slist* headers, std::chrono::milliseconds left) {
  curl_easy_reset(handle);  // keeps the connection
  only_http(handle);
  curl_easy_setopt(handle, CURLOPT_URL, request.address.c_str());
  curl_easy_setopt(handle, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(handle, CURLOPT_FOLLOWLOCATION, 0L);
  curl_easy_setopt(handle, CURLOPT_TIMEOUT_MS, static_cast<long>(left.count()));
  curl_easy_setopt(handle, CURLOPT_POST, 1L);
  curl_easy_setopt(handle, CURLOPT_POSTFIELDS, request.body.data());
  curl_easy_setopt(handle, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(request.body.size()));
  curl_easy_setopt(handle, CURLOPT_HTTPHEADER, headers);
  curl_easy_setopt(handle, CURLOPT_USERAGENT, "gradwire-cpp/0.1.0");
  curl_easy_setopt(handle, CURLOPT_HEADERFUNCTION, on_header);
  curl_easy_setopt(handle, CURLOPT_WRITEFUNCTION, on_body);
}

std::string waited_for(CURL* handle, const Answer& answer) {
  curl_off_t connected = 0;
  curl_easy_getinfo(handle, CURLINFO_PRETRANSFER_TIME_T, &connected);
  if (answer.began) return "the rest of the reply, after " + std::to_string(answer.body.size()) + " bytes of it";
  return connected == 0 ? "a connection" : "the reply";
}

}  // namespace

Connections::Connections() {
  static const CURLcode ready = curl_global_init(CURL_GLOBAL_DEFAULT);  // once a process, whichever thread comes first
  if (ready != CURLE_OK) throw Error(std::string("libcurl cannot be used: ") + curl_easy_strerror(ready));
}

Answer Connections::post(const Request& request, const Deadline& deadline) {
  Handle handle = take();
  const auto left = std::max(deadline.left(), std::chrono::milliseconds(1));
  const Headers headers = headers_of(request, left);
  Reading reading{{}, request.most_reply_bytes};
  char reason[CURL_ERROR_SIZE] = "";
  prepare(handle.get(), request, headers.get(), left);
  curl_easy_setopt(handle.get(), CURLOPT_HEADERDATA, &reading);
  curl_easy_setopt(handle.get(), CURLOPT_WRITEDATA, &reading);
  curl_easy_setopt(handle.get(), CURLOPT_ERRORBUFFER, reason);
  Answer& answer = reading.answer;
  answer.code = curl_easy_perform(handle.get());
  answer.reason = reason[0] != '\0' ? reason : curl_easy_strerror(answer.code);
  answer.waited_for = waited_for(handle.get(), answer);
  curl_easy_getinfo(handle.get(), CURLINFO_RESPONSE_CODE, &answer.status);
  curl_easy_reset(handle.get());  // it must not point to what ends here
  give_back(std::move(handle));
  return std::move(answer);
}

Connections::Handle Connections::take() {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (idle_.empty()) {
    Handle made(curl_easy_init(), curl_easy_cleanup);
    if (!made) throw std::bad_alloc();
    return made;
  }
  Handle last = std::move(idle_.back());
  idle_.pop_back();
  return last;
}

void Connections::give_back(Handle handle) {
  const std::lock_guard<std::mutex> lock(mutex_);
  idle_.push_back(std::move(handle));
}

}  // namespace gradwire
