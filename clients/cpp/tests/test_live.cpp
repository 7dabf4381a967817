// What a user does, right and wrong, with a service as a user starts it.
#include <cmath>
#include <thread>

#include "check.hpp"

using namespace gradwire;

static Refused refusal(const std::string& what, const Job<double>& job, Form form) {
  const Client client(environment("GRADWIRE_URL"), with_form(form));
  const auto error = caught<Refused>(what, [&] { client.grad(job); });
  return error.value_or(Refused(Problem{}));
}

static void test_wrong_use(Form form) {
  auto job = two_rows<double>();
  job.scores = {{1, 2, 3}, {1, 2}};
  contains(refusal("ragged rows", job, form).what(), "/scores/1: has 2 numbers; row 0 has 3", "in the service's words");
  job = two_rows<double>();
  job.labels = {{0}, {1, 3}};
  contains(refusal("a label out of range", job, form).errors.at(0).pointer, "/labels/1/1", "and where it is");
  job = two_rows<double>();
  job.labels = {{0}};
  equals(refusal("a row too few", job, form).status, 422, "is readable but wrong");
  job = two_rows<double>();
  job.label_weights = {{1}, {1}};
  contains(refusal("a weight too few", job, form).what(), "/label_weights/1", "and where it is missing");
  job = two_rows<double>();
  job.class_weight = 3.0;
  contains(refusal("a number for a list", job, form).what(), "/class_weight", "and which");
  equals(refusal("nothing at all", Job<double>(), form).status, 422, "is refused too");
  job = two_rows<double>();
  job.loss = "focl";
  const Refused unknown = refusal("an unknown loss", job, form);
  equals(unknown.status, 404, "is not found");
  contains(unknown.what(), "did you mean 'focal'", "with a suggestion");
  check(!unknown.request_id.empty(), "and the request has a name");
}

static void test_precision_of_a_reply() {
  const Client client(environment("GRADWIRE_URL"));
  auto job = two_rows<double>();
  const double exact = client.loss(job).loss.number();
  job.dtype = "float32";
  check(std::abs(client.loss(job).loss.number() - exact) > 1e-12, "dtype says otherwise than the type of the scores");
  const auto small = client.grad(two_rows<float>());
  check(std::abs(small.loss.number() - exact) < 1e-6, "float agrees with double");
  check(!small.request_id.empty(), "a reply's request has a name");
}

static void test_larger() {
  const std::size_t rows = 300, classes = 1000;
  Job<double> job;
  job.scores = Matrix<double>(rows, classes, 0.0);
  job.labels = std::vector<std::vector<int>>(rows, {1, 5});
  job.reduction = "none";
  for (const Form form : {Form::binary, Form::json}) {
    const auto reply = Client(environment("GRADWIRE_URL"), with_form(form)).grad(job);
    equals(reply.loss.values().size(), rows, "a loss a row");
    check(std::abs(reply.grad[rows - 1][5] - (0.001 - 0.5)) < 1e-12, "p - 1/k in the last row");
  }
}

static void test_threads() {
  const Client client(environment("GRADWIRE_URL"));
  const double expected = client.grad(two_rows<double>()).grad[1][2];
  std::vector<std::thread> threads;
  std::vector<int> well(4, 0);
  for (int& each : well) {
    threads.emplace_back([&client, &each, expected] {
      for (int i = 0; i < 25; ++i) each += client.grad(two_rows<double>()).grad[1][2] == expected;
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (const int each : well) equals(each, 25, "every thread has its replies");
}

static void test_moving() {
  Client first(environment("GRADWIRE_URL") + "///");
  Client second = std::move(first);
  check(second.loss(two_rows<float>()).loss.number() > 0, "a moved client goes on");
  first = Client(environment("GRADWIRE_URL"));
  check(first.loss(two_rows<float>()).loss.number() > 0, "and the old one can be one again");
}

static void test_long_timeouts() {
  Options options;
  options.timeout = std::chrono::milliseconds::max();
  check(Client(environment("GRADWIRE_URL"), options).loss(two_rows<double>()).loss.number() > 0, "the longest timeout there is");
  options.timeout = std::chrono::milliseconds(0);
  caught<TimedOut>("no time at all", [&] { Client(environment("GRADWIRE_FAULTS_URL") + "/silent", options).loss(two_rows<double>()); });
}

void test_live() {
  test_long_timeouts();
  test_wrong_use(Form::binary);
  test_wrong_use(Form::json);
  test_precision_of_a_reply();
  test_larger();
  test_threads();
  test_moving();
}
