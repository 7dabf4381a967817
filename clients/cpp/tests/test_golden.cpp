// The golden cases in both forms: sent to the server that compares them with the golden requests, and to the live service.
#include <cmath>
#include <fstream>
#include <limits>
#include <type_traits>

#include "check.hpp"

using namespace gradwire;
using nlohmann::json;

static json read(const std::string& file) {
  std::ifstream stream(environment("GRADWIRE_GOLDEN") + "/" + file);
  check(stream.good(), file + " is there");
  return json::parse(stream);
}

template <class T>
static Rows<T> rows(const json& value) {
  if (!value.empty() && !value.front().is_array()) return Rows<T>::single(value.get<std::vector<T>>());
  if (std::is_same_v<T, std::uint8_t> && value.front().front().is_boolean()) return value.get<std::vector<std::vector<bool>>>();
  return value.get<std::vector<std::vector<T>>>();
}

template <class T>
static Array<T> array(const json& value) {
  return value.is_number() ? Array<T>(value.get<T>()) : Array<T>(rows<T>(value));
}

static std::string text(const json& value) { return value; }
static std::int64_t integer(const json& value) { return value; }

template <class T>
static Job<T> job_of(const json& fields) {
  Job<T> job;
  for (const auto& [name, value] : fields.items()) {
    if (name == "loss") job.loss = text(value);
    if (name == "params") job.params = value;
    if (name == "scores") job.scores = rows<T>(value);
    if (name == "targets") job.targets = rows<T>(value);
    if (name == "labels") job.labels = rows<std::int64_t>(value);
    if (name == "label_weights") job.label_weights = rows<T>(value);
    if (name == "class_weight") job.class_weight = array<T>(value);
    if (name == "pos_weight") job.pos_weight = array<T>(value);
    if (name == "sample_weight") job.sample_weight = array<T>(value);
    if (name == "element_weight") job.element_weight = rows<T>(value);
    if (name == "mask") job.mask = rows<std::uint8_t>(value);
    if (name == "ignore_index") job.ignore_index = integer(value);
    if (name == "reduction") job.reduction = text(value);
    if (name == "mean_over") job.mean_over = text(value);
    if (name == "grad_output") job.grad_output = array<T>(value);
    if (name == "runtime") job.runtime = text(value);
  }
  return job;
}

template <class T>
static void close(const Array<T>& found, const json& expected, double tolerance, const std::string& what) {
  const Array<T> wanted = array<T>(expected);
  check(found.shape() == wanted.shape(), what + ": the shape");
  for (std::size_t i = 0; i < wanted.values().size() && i < found.values().size(); ++i) {
    const double one = found.values()[i], other = wanted.values()[i];
    check(std::abs(one - other) <= tolerance * std::max(1.0, std::abs(other)), what + ": number " + std::to_string(i));
  }
}

template <class T>
static void replied(const Client& client, const json& entry, double tolerance, const std::string& what) {
  const std::string name = entry["name"];
  const bool wants_grad = entry["path"] == "/grad";
  const auto job = job_of<T>(entry["job"]);
  const json expected = read(name + ".reply.json");
  const auto reply = wants_grad ? client.grad(job) : client.loss(job);
  close(reply.loss, expected["loss"], tolerance, what + ": loss");
  check(reply.grad.given() == wants_grad, what + ": a gradient where one is asked for");
  if (wants_grad) close(Array<T>(reply.grad), expected["grad"], tolerance, what + ": grad");
}

template <class T>
static void refused(const Client& client, const json& entry, const std::string& what) {
  const json problem = read(entry["name"].get<std::string>() + ".problem.json");
  const auto error = caught<Refused>(what, [&] { client.grad(job_of<T>(entry["job"])); });
  if (!error) return;
  equals(error->status, entry["status"].get<int>(), what + ": the status");
  equals(error->detail, problem["detail"].get<std::string>(), what + ": the detail");
  equals(error->errors.size(), problem.value("errors", json::array()).size(), what + ": the places");
}

template <class T>
static void played(const json& entry, Form form) try {
  const std::string name = entry["name"], what = name + (form == Form::json ? " in JSON" : " in safetensors");
  const Client golden(environment("GRADWIRE_FAULTS_URL") + "/golden/" + name, with_form(form));
  const Client live(environment("GRADWIRE_URL"), with_form(form));
  if (entry["status"] != 200) return refused<T>(golden, entry, what), refused<T>(live, entry, what + ", live");
  replied<T>(golden, entry, 0, what);
  replied<T>(live, entry, std::is_same_v<T, double> ? 1e-10 : 1e-5, what + ", live");
} catch (const Error& error) {
  check(false, entry["name"].get<std::string>() + ": " + error.what());
}

static void test_what_json_cannot_hold() {
  const std::string golden = environment("GRADWIRE_FAULTS_URL") + "/golden/";
  auto job = two_rows<float>();
  job.loss.reset();
  job.scores[0][1] = std::numeric_limits<float>::quiet_NaN();
  for (const std::string& url : {golden + "nan_tensor", environment("GRADWIRE_URL")}) {
    const auto error = caught<Refused>("NaN as a tensor", [&] { Client(url).grad(job); });
    if (error) contains(error->what(), "/scores/0/1", "NaN, and where it is");
  }
  for (const std::string& url : {golden + "nan", environment("GRADWIRE_URL")}) {
    const auto error = caught<Refused>("NaN in JSON", [&] { Client(url, with_form(Form::json)).grad(job); });
    if (error) contains(error->what(), "found NaN", "NaN in the service's words");
  }
  auto masked = two_rows<double>();
  masked.loss.reset();
  masked.scores = {{2.0, -INFINITY, -1.0}, {0.1, 1.2, 3.0}};
  equals(Client(golden + "minus_infinity").grad(masked).grad[0][1], 0.0, "a score of -inf masks its class");
  equals(Client(environment("GRADWIRE_URL")).grad(masked).grad[0][1], 0.0, "live too");
}

void test_golden() {
  for (const json& entry : read("cases.json")) {
    for (const Form form : {Form::binary, Form::json}) {
      entry["job"].contains("dtype") ? played<double>(entry, form) : played<float>(entry, form);
    }
  }
  test_what_json_cannot_hold();
}
