// A request as JSON, every number in the shortest form that reads back the same; and a reply from JSON.
#include <charconv>
#include <utility>

#include "form.hpp"

namespace gradwire::json {
namespace {

template <class T>
void append_number(std::string& text, T value) {
  if constexpr (std::is_floating_point_v<T>) {
    if (std::isnan(value)) return void(text += "NaN");  // no JSON: the service says so, and names the field
    if (std::isinf(value)) return void(text += value < 0 ? "-Infinity" : "Infinity");
  }
  char digits[32];
  text.append(digits, std::to_chars(digits, digits + sizeof digits, value).ptr);
}

template <class T>
void append_row(std::string& text, const T* first, const T* last) {
  text += '[';
  for (const T* each = first; each != last; ++each) {
    if (each != first) text += ',';
    append_number(text, *each);
  }
  text += ']';
}

template <class T>
void append_rows(std::string& text, const Rows<T>& rows) {
  if (rows.is_single()) return append_row(text, rows.data(), rows.data() + rows.values().size());
  text += '[';
  for (std::size_t row = 0; row < rows.rows(); ++row) {
    if (row != 0) text += ',';
    append_row(text, rows[row].begin(), rows[row].end());
  }
  text += ']';
}

std::string plain(const nlohmann::json& value) { return value.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace); }

void append(std::string& text, const nlohmann::json& value) {
  if (value.is_number_float()) return append_number(text, value.get<double>());
  if (!value.is_structured()) return void(text += plain(value));
  text += value.is_object() ? '{' : '[';
  bool first = true;
  for (const auto& [name, each] : value.items()) {
    if (!std::exchange(first, false)) text += ',';
    if (value.is_object()) text += plain(name) + ":";
    append(text, each);
  }
  text += value.is_object() ? '}' : ']';
}

// The members of one object, one after another.
class Members {
 public:
  template <class T>
  void operator()(const char* name, const Rows<T>& rows) {
    if (rows.given()) append_rows(begun(name), rows);
  }
  template <class T>
  void operator()(const char* name, const Array<T>& array) {
    array.rank() == 0 ? append_number(begun(name), array.number()) : append_rows(begun(name), array.rows());
  }
  void operator()(const char* name, const std::string& value) { begun(name) += plain(value); }
  void operator()(const char* name, const nlohmann::json& value) { append(begun(name), value); }
  std::string ended() { return std::move(text_ += text_.empty() ? "{}" : "}"); }

 private:
  std::string& begun(const char* name) { return text_.append(text_.empty() ? "{\"" : ",\"").append(name).append("\":"); }
  std::string text_;
};

[[noreturn]] void refuse(const std::string& name, const nlohmann::json& value) {
  throw Unreadable(name + ", which holds " + (value.is_number() ? "a mixture of numbers and lists" : value.type_name()),
                   "a number, a list of numbers, or a matrix");
}

template <class T>
void append_numbers(std::vector<T>& values, const std::string& name, const nlohmann::json& list) {
  if (!list.is_array()) refuse(name, list);
  for (const nlohmann::json& each : list) {
    if (!each.is_number()) refuse(name, each);
    values.push_back(narrowed<T>(each.get<double>()));
  }
}

template <class T>
Tensor<T> tensor(const std::string& name, const nlohmann::json& value) {
  Tensor<T> made;
  if (value.is_number()) return {{}, {narrowed<T>(value.get<double>())}};
  if (!value.is_array() || value.empty()) refuse(name, value);
  made.shape = {value.size()};
  if (!value.front().is_array()) return append_numbers(made.values, name, value), made;
  made.shape.push_back(value.front().size());
  for (const nlohmann::json& row : value) {
    if (row.size() != made.shape.back()) throw Unreadable(name + " with rows of different lengths", "a matrix");
    append_numbers(made.values, name, row);
  }
  return made;
}

}  // namespace

template <class T>
std::string number(T value) {
  std::string made;
  append_number(made, value);
  return made;
}

std::string text(const nlohmann::json& value) {
  std::string made;
  append(made, value);
  return made;
}

template <class T>
std::string write(const Job<T>& job) {
  Members members;
  each_option(job, members);
  if (job.dtype || std::is_same_v<T, double>) members("dtype", job.dtype.value_or("float64"));
  if (!job.params.is_null()) members("params", job.params);
  if (job.ignore_index) members("ignore_index", nlohmann::json(*job.ignore_index));
  each_array(job, members);
  each_matrix(job, members);
  members("mask", job.mask);
  members("labels", job.labels);
  members("label_weights", job.label_weights);
  return members.ended();
}

template <class T>
Tensors<T> read(std::string_view body) {
  const auto reply = nlohmann::json::parse(body.begin(), body.end(), nullptr, false);
  if (reply.is_discarded()) throw Unreadable("a body of " + std::to_string(body.size()) + " bytes that is no JSON", "JSON");
  if (!reply.is_object()) throw Unreadable(std::string("JSON that is ") + reply.type_name(), "an object with loss and grad");
  Tensors<T> tensors;
  for (const char* name : {"loss", "grad"}) {
    if (reply.contains(name)) tensors[name] = tensor<T>(name, reply[name]);
  }
  return tensors;
}

template std::string number(float);
template std::string number(double);
template std::string write(const Job<float>&);
template std::string write(const Job<double>&);
template Tensors<float> read(std::string_view);
template Tensors<double> read(std::string_view);

}  // namespace gradwire::json
