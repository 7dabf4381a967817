// A service that wants a key, and takes small bodies.
#include "check.hpp"

using namespace gradwire;

static Client locked(const std::string& key, Form form = Form::binary) {
  Options options = with_form(form);
  options.api_key = key;
  return Client(environment("GRADWIRE_LOCKED_URL"), options);
}

static void test_keys() {
  for (const char* key : {"", "wrong"}) {
    const auto error = caught<Refused>("without the key", [key] { locked(key).grad(two_rows<double>()); });
    if (error) equals(error->status, 401, "is not let in");
  }
  caught<Error>("a key with the end of its line", [] { locked("key\n"); });
  check(locked(environment("GRADWIRE_LOCKED_KEY")).grad(two_rows<double>()).grad.rows() == 2, "with the key it is");
}

static void test_large_bodies() {
  const Client client = locked(environment("GRADWIRE_LOCKED_KEY"));
  auto job = two_rows<double>();
  for (const std::size_t rows : {200, 20'000}) {
    job.scores = Matrix<double>(rows, 100, 0.5);
    const auto error = caught<Refused>("a body of " + std::to_string(rows) + " rows", [&] { client.grad(job); });
    if (error) equals(error->status, 413, "is too large");
    if (error) contains(error->what(), "100000", "and the limit is named");
  }
  check(client.loss(two_rows<double>()).loss.number() > 0, "afterwards the client is usable");
}

void test_locked() {
  test_keys();
  test_large_bodies();
}
