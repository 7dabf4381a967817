// Every way in which a server can misbehave ends in a typed error, in time, and leaves the client usable.
#include <unistd.h>

#include <chrono>

#include "check.hpp"
#include "stats.hpp"

using namespace gradwire;
using std::chrono::milliseconds;
using std::chrono::steady_clock;

static Client faulty(const std::string& path, Form form, milliseconds timeout = milliseconds(5000)) {
  Options options = with_form(form);
  options.timeout = timeout;
  return Client(environment("GRADWIRE_FAULTS_URL") + path, options);
}

static std::string in(const std::string& path, Form form) { return path + (form == Form::json ? " in JSON" : " in safetensors"); }

static std::string fresh_token() {
  static int used = 0;
  return "cpp-" + std::to_string(getpid()) + "-" + std::to_string(steady_clock::now().time_since_epoch().count()) + "-" + std::to_string(++used);
}

static void answered(const std::string& path, Form form) try {
  equals(faulty(path, form).grad(two_rows<float>()).grad.rows(), 2u, in(path, form));
} catch (const Error& error) {
  check(false, in(path, form) + ": " + error.what());
}

static void bad_reply(const std::string& path, Form form, const std::string& part) {
  const Client client = faulty(path, form);
  for (int i = 0; i < 2; ++i) {  // the second time: it is usable as before
    const auto error = caught<BadReply>(in(path, form), [&] { client.grad(two_rows<float>()); });
    if (error) contains(error->what(), part, in(path, form));
  }
}

static void test_bad_replies(Form form) {
  bad_reply("/cut", form, "cut after");
  bad_reply("/html", form, "text/html");
  bad_reply("/html-502", form, "status 502");
  bad_reply("/redirect", form, "is not followed");
  bad_reply("/not-json", form, form == Form::json ? "no JSON" : "a header of");
  bad_reply("/no-grad", form, "no grad");
  bad_reply("/wrong-shape", form, "grad [1, 3]; expected grad [2, 3]");
  bad_reply("/wrong-type", form, form == Form::json ? "string" : "I64");
  bad_reply("/null", form, form == Form::json ? "null" : "no loss");
  bad_reply("/huge-header", form, form == Form::json ? "array" : "4611686018427387904");
  bad_reply("/other-form", form, form == Form::json ? "safetensors" : "application/json");
}

static void test_statuses(Form form) {
  for (const int status : {401, 404, 413, 415, 422, 429, 500, 503, 504}) {
    const std::string path = "/status/" + std::to_string(status);
    const Client client = faulty(path, form, milliseconds(900));  // shorter than the Retry-After of 1 s: no wait is begun
    const auto error = caught<Refused>(in(path, form), [&] { client.grad(two_rows<float>()); });
    if (!error) continue;
    equals(error->status, status, in(path, form));
    check(!error->title.empty() && !error->detail.empty(), in(path, form) + " has words");
    equals(error->retry_after.value_or(-1), status == 429 || status == 503 ? 1.0 : -1.0, in(path, form) + ": when to come again");
    if (status == 422) equals(error->errors.size(), 2u, "422 has both places");
    if (status == 404) contains(error->what(), "did you mean", "404 has a suggestion");
  }
}

static void test_retries(Form form) {
  for (const std::string path : {"/busy/2/", "/draining/3/"}) {
    const std::string token = fresh_token();
    answered(path + token, form);
    equals(requests_of(token), path[1] == 'b' ? 3 : 4, in(path, form) + ": as often as it was needed");
  }
  const std::string token = fresh_token();
  const Client client = faulty("/busy/9/" + token, form);
  const auto error = caught<Refused>("busy for longer than the retries last", [&] { client.grad(two_rows<float>()); });
  if (error) equals(error->status, 429, "is the last refusal");
  equals(requests_of(token), 4, "after three retries");
}

static void test_a_long_wait_is_not_begun(Form form) {
  const auto begin = steady_clock::now();
  const auto error = caught<Refused>("later", [form] { faulty("/later", form).grad(two_rows<float>()); });
  if (error) equals(error->retry_after.value_or(0), 3600.0, "an hour later");
  check(steady_clock::now() - begin < milliseconds(1000), "and nobody waits for it");
}

static void test_timeouts(Form form) {
  for (const std::string path : {"/silent", "/stalls", "/trickles"}) {
    const Client client = faulty(path, form, milliseconds(300));
    const auto begin = steady_clock::now();
    const auto error = caught<TimedOut>(in(path, form), [&] { client.grad(two_rows<float>()); });
    const auto took = steady_clock::now() - begin;
    check(took >= milliseconds(290) && took < milliseconds(1500), in(path, form) + ": in time");
    if (error) contains(error->what(), "timeout of 0.3 s", in(path, form));
    if (error) contains(error->waited_for, path == "/silent" ? "the reply" : "the rest of the reply", in(path, form));
  }
}

static void test_unreachable(Form form) {
  const int before = stats()["requests"];
  const auto hung_up = caught<Unreachable>("hang-up", [form] { faulty("/hang-up", form).grad(two_rows<float>()); });
  if (hung_up) contains(hung_up->address, "/hang-up/grad", "has the address");
  equals(stats()["requests"].get<int>() - before, 4, "a connection that ended without a byte is tried three times more");
  for (const char* url : {"http://127.0.0.1:1", "http://no-such-host.invalid", "ftp://127.0.0.1", "not a url", "", "file:///etc/passwd"}) {
    const auto error = caught<Unreachable>(std::string("nothing at '") + url + "'", [&] { Client(url, with_form(form)).grad(two_rows<float>()); });
    check(error && !error->reason.empty(), "has the system's reason");
  }
}

static void test_reply_limit() {
  Options options;
  options.most_reply_bytes = 100;
  const Client client(environment("GRADWIRE_FAULTS_URL") + "/golden/softmax", options);
  const auto error = caught<BadReply>("more bytes than are read", [&] { client.grad(two_rows<float>()); });
  if (error) contains(error->what(), "more than 100 bytes", "and how many those are");
}

void test_faults() {
  for (const Form form : {Form::binary, Form::json}) {
    test_bad_replies(form);
    test_statuses(form);
    test_retries(form);
    test_a_long_wait_is_not_begun(form);
    test_timeouts(form);
    test_unreachable(form);
    for (const char* path : {"/closing", "/chunked", "/golden/softmax"}) answered(path, form);
  }
  test_reply_limit();
}
