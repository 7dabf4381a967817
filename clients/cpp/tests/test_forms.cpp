// The bytes of requests, and replies that no service gives.
#include <cmath>
#include <limits>

#include "../src/form.hpp"
#include "check.hpp"

using namespace gradwire;

static const double NAN64 = std::numeric_limits<double>::quiet_NaN();

static void test_json_text() {
  Job<double> job;
  job.params = {{"gamma", NAN64}, {"soft", "a \"b\""}};
  job.scores = {{NAN64, 1.0 / 3, -INFINITY}, {1e300, -0.0, 5}};
  job.labels = Labels::single({2, -100});
  job.mask = {{1, 0, 1}, {1, 1, 1}};
  job.ignore_index = -100;
  equals(json::write(job),
        R"({"dtype":"float64","params":{"gamma":NaN,"soft":"a \"b\""},"ignore_index":-100,)"
        R"("scores":[[NaN,0.3333333333333333,-Infinity],[1e+300,-0,5]],"mask":[[1,0,1],[1,1,1]],"labels":[2,-100]})",
        "every field as it is written");
  equals(json::write(Job<float>()), std::string("{}"), "what is left out is not sent");
  Job<float> bad;
  bad.loss = "\xff";
  equals(json::write(bad), std::string("{\"loss\":\"\xef\xbf\xbd\"}"), "what is no UTF-8 is replaced");
}

static void test_precision() {
  const double exact = 0.1 + 0.2;
  Job<double> job;
  job.scores = {{exact}};
  contains(json::write(job), "0.30000000000000004", "all digits of a double");
  Job<float> single;
  single.scores = {{0.1f}};
  equals(json::write(single), std::string(R"({"scores":[[0.1]]})"), "the shortest digits of a float");
}

static void test_what_safetensors_hold() {
  auto job = two_rows<double>();
  check(safetensors::holds(job), "a matrix and lists of labels");
  job.label_weights = {{1}, {1, 2}};
  check(safetensors::holds(job), "weights nested like the labels");
  job.label_weights = {{1, 2}, {1}};
  check(!safetensors::holds(job), "but not otherwise");
  job = two_rows<double>();
  job.class_weight = 2.0;
  check(!safetensors::holds(job), "nor one number for a list");
  job = two_rows<double>();
  job.scores = {{1, 2, 3}, {1}};
  check(!safetensors::holds(job), "nor ragged rows");
}

template <class Read>
static void unreadable(const std::string& what, Read&& read) {
  caught<Unreadable>(what, read);
}

static void test_replies_in_json() {
  for (const char* body : {"", "{", "null", "[]", R"({"loss":null})", R"({"loss":[]})", R"({"loss":1e999})", R"({"loss":[1,[2]]})",
                           R"({"loss":1,"grad":[[1,2],[3]]})", R"({"loss":1,"grad":[[1,"2"]]})", R"({"loss":{"a":1}})", R"({"loss":true})"}) {
    unreadable(std::string("JSON ") + body, [body] { json::read<double>(body); });
  }
  unreadable("a number beyond float", [] { json::read<float>(R"({"loss":1e39})"); });
  equals(json::read<double>(R"({"loss":1e39,"more":{}})")["loss"].values[0], 1e39, "which a double holds");
}

static std::string packed(const std::string& header, const std::string& data) {
  std::string body(8, '\0');
  for (int i = 0; i < 8; ++i) body[i] = static_cast<char>(header.size() >> (8 * i));
  return body + header + data;
}

static void test_replies_in_safetensors() {
  const std::string eight(8, '\0');
  for (const char* header : {"", "null", "[]", R"({"loss":1})", R"({"loss":{"dtype":"F64","shape":[]}})",
                             R"({"loss":{"dtype":"F64","shape":[],"data_offsets":[0,9]}})", R"({"loss":{"dtype":"F64","shape":[],"data_offsets":[8,0]}})",
                             R"({"loss":{"dtype":"F64","shape":[2],"data_offsets":[0,8]}})", R"({"loss":{"dtype":"I64","shape":[],"data_offsets":[0,8]}})",
                             R"({"loss":{"dtype":"F64","shape":[4294967296,4294967296],"data_offsets":[0,8]}})",
                             R"({"loss":{"dtype":"F64","shape":"x","data_offsets":[0,8]}})"}) {
    unreadable(std::string("safetensors ") + header, [&] { safetensors::read<double>(packed(header, eight)); });
  }
  for (const std::string& body : {std::string(), std::string(7, 'x'), std::string(8, '\xff'), packed("{}", "").substr(0, 9)}) {
    unreadable("safetensors of " + std::to_string(body.size()) + " bytes", [&] { safetensors::read<float>(body); });
  }
  const auto well = safetensors::read<float>(packed(R"({"loss":{"dtype":"F64","shape":[],"data_offsets":[0,8]}})", eight));
  equals(well.at("loss").values.at(0), 0.0f, "a double for who wants a float");
}

void test_forms() {
  test_json_text();
  test_precision();
  test_what_safetensors_hold();
  test_replies_in_json();
  test_replies_in_safetensors();
}
