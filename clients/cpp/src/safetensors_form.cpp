// A request and a reply as safetensors: 8 bytes of header length, a JSON header, and the tensors one after another, little-endian.
#include <algorithm>
#include <cstring>
#include <utility>

#include "form.hpp"

#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "safetensors are little-endian, and this client copies numbers as they lie in memory"
#endif

namespace gradwire::safetensors {
namespace {

constexpr std::size_t LENGTH_BYTES = 8;
constexpr std::size_t MOST_HEADER_BYTES = 1 << 20;

template <class T>
constexpr const char* dtype() {
  if constexpr (std::is_same_v<T, double>) return "F64";
  if constexpr (std::is_same_v<T, float>) return "F32";
  if constexpr (std::is_same_v<T, std::int64_t>) return "I64";
  if constexpr (std::is_same_v<T, std::uint8_t>) return "BOOL";
}

// The header, and where each tensor's bytes lie: they are copied once, when all are known. The largest types come first, so that each
// tensor begins where its numbers may.
class Parts {
 public:
  template <class T>
  void tensor(const char* name, const std::vector<std::size_t>& shape, const std::vector<T>& values) {
    const std::size_t bytes = values.size() * sizeof(T);
    header_[name] = {{"dtype", dtype<T>()}, {"shape", shape}, {"data_offsets", {reached_, reached_ + bytes}}};
    if (bytes != 0) pieces_.emplace_back(reinterpret_cast<const char*>(values.data()), bytes);
    reached_ += bytes;
  }
  void operator()(const char* name, const std::string& option) { header_["__metadata__"][name] = option; }
  template <class T>
  void operator()(const char* name, const Array<T>& array) {
    array.rank() == 0 ? (*this)(name, json::number(array.number())) : tensor(name, array.shape(), array.values());
  }
  template <class T>
  void operator()(const char* name, const Rows<T>& matrix) {
    tensor(name, {matrix.rows(), matrix.columns()}, matrix.values());
  }

  std::string joined() const {
    std::string header = header_.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
    header.resize((header.size() + LENGTH_BYTES - 1) / LENGTH_BYTES * LENGTH_BYTES, ' ');
    const std::uint64_t length = header.size();
    std::string body;
    body.reserve(LENGTH_BYTES + header.size() + reached_);
    body.append(reinterpret_cast<const char*>(&length), LENGTH_BYTES).append(header);
    for (const std::string_view piece : pieces_) body.append(piece);
    return body;
  }

 private:
  nlohmann::json header_ = nlohmann::json::object();
  std::vector<std::string_view> pieces_;
  std::size_t reached_ = 0;
};

// How many numbers a tensor of this shape has; more than `most` cannot be there.
std::size_t count(const std::vector<std::size_t>& shape, std::size_t most) {
  std::size_t numbers = 1;
  for (const std::size_t each : shape) {
    if (each != 0 && numbers > most / each) throw Unreadable("a tensor " + shown(shape) + " in " + std::to_string(most) + " bytes", "safetensors");
    numbers *= each;
  }
  return numbers;
}

template <class Stored, class T>
Tensor<T> copied(std::vector<std::size_t> shape, std::string_view bytes) {
  Tensor<T> made{std::move(shape), {}};
  const std::size_t numbers = count(made.shape, bytes.size());
  if (numbers * sizeof(Stored) != bytes.size()) {
    throw Unreadable("a tensor " + shown(made.shape) + " of " + std::to_string(bytes.size()) + " bytes",
                     std::to_string(numbers * sizeof(Stored)) + " bytes");
  }
  std::vector<Stored> stored(numbers);
  if (numbers != 0) std::memcpy(stored.data(), bytes.data(), bytes.size());
  made.values.reserve(numbers);
  for (const Stored each : stored) made.values.push_back(narrowed<T>(static_cast<double>(each)));
  return made;
}

template <class T>
Tensor<T> tensor(const std::string& name, const nlohmann::json& about, std::string_view data) {
  const auto type = about.at("dtype").get<std::string>();
  const auto [begin, end] = about.at("data_offsets").get<std::pair<std::size_t, std::size_t>>();
  if (begin > end || end > data.size()) {
    throw Unreadable(name + " at bytes " + std::to_string(begin) + " to " + std::to_string(end) + " of " + std::to_string(data.size()),
                     "bytes that are there");
  }
  auto shape = about.at("shape").get<std::vector<std::size_t>>();
  if (type == "F64") return copied<double, T>(std::move(shape), data.substr(begin, end - begin));
  if (type == "F32") return copied<float, T>(std::move(shape), data.substr(begin, end - begin));
  throw Unreadable(name + " of type " + type, "F32 or F64");
}

template <class T>
Tensors<T> described(std::string_view header, std::string_view data) {
  const auto described = nlohmann::json::parse(header.begin(), header.end());
  if (!described.is_object()) throw Unreadable(std::string("a header that is ") + described.type_name(), "an object of tensors");
  Tensors<T> tensors;
  for (const char* name : {"loss", "grad"}) {
    if (described.contains(name)) tensors[name] = tensor<T>(name, described[name], data);
  }
  return tensors;
}

template <class T>
void write_labels(Parts& parts, const Job<T>& job, const std::vector<std::int64_t>& offsets) {
  if (job.labels.given()) parts.tensor("labels", {job.labels.values().size()}, job.labels.values());
  if (job.labels.given() && !job.labels.is_single()) parts.tensor("label_offsets", {offsets.size()}, offsets);
}

}  // namespace

template <class T>
bool holds(const Job<T>& job) {
  bool all = !job.mask.ragged() && job.class_weight.rank() != 0 && job.sample_weight.rank() != 0;
  each_matrix(job, [&all](const char*, const Rows<T>& matrix) { all = all && !matrix.ragged(); });
  each_array(job, [&all](const char*, const Array<T>& array) { all = all && !array.rows().ragged(); });
  const bool alike = job.label_weights.is_single() == job.labels.is_single() && job.label_weights.offsets() == job.labels.offsets();
  return all && (!job.label_weights.given() || alike);
}

template <class T>
std::string write(const Job<T>& job) {
  Parts parts;
  const std::vector<std::int64_t> offsets(job.labels.offsets().begin(), job.labels.offsets().end());
  each_option(job, parts);
  if (job.dtype && *job.dtype != precision<T>()) parts("dtype", *job.dtype);
  if (!job.params.is_null()) parts("params", json::text(job.params));
  if (job.ignore_index) parts("ignore_index", std::to_string(*job.ignore_index));
  write_labels(parts, job, offsets);
  each_array(job, parts);
  each_matrix(job, parts);
  if (job.label_weights.given()) parts.tensor("label_weights", {job.label_weights.values().size()}, job.label_weights.values());
  if (job.mask.given()) parts("mask", job.mask);
  return parts.joined();
}

template <class T>
Tensors<T> read(std::string_view body) try {
  std::uint64_t length = 0;
  if (body.size() >= LENGTH_BYTES) std::memcpy(&length, body.data(), LENGTH_BYTES);
  if (body.size() < LENGTH_BYTES || length > std::min(body.size() - LENGTH_BYTES, MOST_HEADER_BYTES)) {
    throw Unreadable("a header of " + std::to_string(length) + " bytes in a body of " + std::to_string(body.size()), "safetensors");
  }
  return described<T>(body.substr(LENGTH_BYTES, length), body.substr(LENGTH_BYTES + length));
} catch (const nlohmann::json::exception& error) {
  throw Unreadable(std::string("a header that does not describe its tensors (") + error.what() + ")", "safetensors");
}

template bool holds(const Job<float>&);
template bool holds(const Job<double>&);
template std::string write(const Job<float>&);
template std::string write(const Job<double>&);
template Tensors<float> read(std::string_view);
template Tensors<double> read(std::string_view);

}  // namespace gradwire::safetensors
