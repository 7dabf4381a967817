// Connections are kept, and none is leaked.
#include <curl/curl.h>

#include <chrono>
#include <memory>
#include <thread>

#include "check.hpp"
#include "stats.hpp"

using namespace gradwire;

static std::size_t append(const char* data, std::size_t, std::size_t bytes, void* text) {
  static_cast<std::string*>(text)->append(data, bytes);
  return bytes;
}

nlohmann::json stats(const std::string& path) {
  const std::unique_ptr<CURL, decltype(&curl_easy_cleanup)> handle(curl_easy_init(), curl_easy_cleanup);
  std::string text;
  curl_easy_setopt(handle.get(), CURLOPT_URL, (environment("GRADWIRE_FAULTS_URL") + path).c_str());
  curl_easy_setopt(handle.get(), CURLOPT_WRITEFUNCTION, append);
  curl_easy_setopt(handle.get(), CURLOPT_WRITEDATA, &text);
  curl_easy_perform(handle.get());
  return nlohmann::json::parse(text);
}

int requests_of(const std::string& token) { return stats("/stats/" + token)["requests"]; }

static int open_connections() { return stats()["open"]; }

static void test_keeping() {
  const Client client(environment("GRADWIRE_FAULTS_URL") + "/golden/softmax");
  const int before = stats()["connections"];
  for (int i = 0; i < 100; ++i) client.grad(two_rows<float>());
  equals(stats()["connections"].get<int>() - before, 1, "100 requests over one connection");
}

static void test_stale() {
  const Client client(environment("GRADWIRE_FAULTS_URL") + "/stale/cpp");
  for (int i = 0; i < 20; ++i) client.grad(two_rows<float>());
  check(true, "a connection that has ended is replaced");
}

static void test_leaks() {
  const int before = open_connections();
  for (int i = 0; i < 20; ++i) {
    for (const char* path : {"/cut", "/html", "/hang-up", "/status/422", "/wrong-shape", "/golden/softmax"}) {
      try {
        Client(environment("GRADWIRE_FAULTS_URL") + path).grad(two_rows<float>());
      } catch (const Error&) {
      }
    }
  }
  for (int i = 0; i < 50 && open_connections() > before; ++i) std::this_thread::sleep_for(std::chrono::milliseconds(20));
  check(open_connections() <= before, "nothing is left open");
}

void test_connections() {
  test_keeping();
  test_stale();
  test_leaks();
}
