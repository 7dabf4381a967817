// The two forms of a request and of a reply: JSON and safetensors.
#pragma once

#include <cmath>
#include <cstddef>
#include <map>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "gradwire/job.hpp"

namespace gradwire {

inline constexpr const char* JSON = "application/json";
inline constexpr const char* SAFETENSORS = "application/vnd.safetensors";

/// A reply that cannot be read; the client adds where it came from.
struct Unreadable : std::runtime_error {
  Unreadable(const std::string& found, std::string expected) : std::runtime_error(found), expected(std::move(expected)) {}
  std::string expected;
};

/// A number, a list or a matrix of a reply, row by row.
template <class T>
struct Tensor {
  std::vector<std::size_t> shape;
  std::vector<T> values;
};

template <class T>
using Tensors = std::map<std::string, Tensor<T>>;

/// A job as bytes, and a reply's arrays from bytes; `read` throws Unreadable.
namespace json {
template <class T>
std::string write(const Job<T>& job);
template <class T>
Tensors<T> read(std::string_view body);
template <class T>
std::string number(T value);                    // NaN and infinities as the bare tokens NaN, Infinity, -Infinity
std::string text(const nlohmann::json& value);  // any value, numbers as above
}  // namespace json

namespace safetensors {
template <class T>
bool holds(const Job<T>& job);  // ragged rows, for example, it does not
template <class T>
std::string write(const Job<T>& job);
template <class T>
Tensors<T> read(std::string_view body);
}  // namespace safetensors

template <class T>
constexpr const char* precision() {
  return std::is_same_v<T, double> ? "float64" : "float32";
}

/// Every option that is a string and was given, except the dtype, which is a matter of the form.
template <class T, class Visit>
void each_option(const Job<T>& job, Visit&& visit) {
  if (job.loss) visit("loss", *job.loss);
  if (job.reduction) visit("reduction", *job.reduction);
  if (job.mean_over) visit("mean_over", *job.mean_over);
  if (job.runtime) visit("runtime", *job.runtime);
}

/// Every array of numbers of precision T that was given, label weights aside.
template <class T, class Visit>
void each_array(const Job<T>& job, Visit&& visit) {
  const auto visit_given = [&visit](const char* name, const Array<T>& array) {
    if (array.given()) visit(name, array);
  };
  visit_given("class_weight", job.class_weight);
  visit_given("pos_weight", job.pos_weight);
  visit_given("sample_weight", job.sample_weight);
  visit_given("grad_output", job.grad_output);
}

/// Every matrix of numbers of precision T that was given.
template <class T, class Visit>
void each_matrix(const Job<T>& job, Visit&& visit) {
  if (job.scores.given()) visit("scores", job.scores);
  if (job.targets.given()) visit("targets", job.targets);
  if (job.element_weight.given()) visit("element_weight", job.element_weight);
}

/// A number of a reply in precision T; throws Unreadable where it does not fit.
template <class T>
T narrowed(double value) {
  const T made = static_cast<T>(value);
  if (!std::isfinite(made)) throw Unreadable("a number that " + std::string(precision<T>()) + " cannot hold", "finite numbers");
  return made;
}

/// "[2, 3]"
inline std::string shown(const std::vector<std::size_t>& shape) {
  std::string text;
  for (const std::size_t each : shape) text += (text.empty() ? "" : ", ") + std::to_string(each);
  return "[" + text + "]";
}

}  // namespace gradwire
