#include "gradwire/client.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <thread>
#include <utility>

#include "form.hpp"
#include "http.hpp"

namespace gradwire {

struct Client::Inside {
  std::string url;
  Options options;
  Connections connections;

  template <class T>
  Reply<T> call(const char* path, const Job<T>& job, bool wants_grad);
  Answer send(const Request& request);
  [[noreturn]] void fail(const Request& request, const Answer& answer) const;
};

namespace {

using std::chrono::milliseconds;

constexpr int TOO_MANY_REQUESTS = 429, SERVICE_UNAVAILABLE = 503;
constexpr double FIRST_WAIT_S = 0.1;

// Whole seconds, as HTTP has them; none where something else is said.
std::optional<double> seconds_in(const std::optional<std::string>& text) {
  unsigned seconds = 0;
  if (!text) return std::nullopt;
  const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), seconds);
  return error == std::errc() && end == text->data() + text->size() ? std::optional<double>(seconds) : std::nullopt;
}

// How many seconds later the same request may be sent again; none where that would be of no use.
std::optional<double> pause_after(const Answer& answer, int attempt) {
  const bool hung_up = answer.code == CURLE_GOT_NOTHING || answer.code == CURLE_SEND_ERROR || answer.code == CURLE_RECV_ERROR;
  if (hung_up && !answer.began) return 0;
  if (answer.code != CURLE_OK || (answer.status != TOO_MANY_REQUESTS && answer.status != SERVICE_UNAVAILABLE)) return std::nullopt;
  return seconds_in(answer.retry_after).value_or(std::ldexp(FIRST_WAIT_S, attempt));
}

std::string text_member(const nlohmann::json& object, const char* name) {
  const auto found = object.find(name);
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

std::vector<FieldError> field_errors(const nlohmann::json& document) {
  std::vector<FieldError> made;
  if (!document.contains("errors")) return made;
  for (const nlohmann::json& each : document["errors"]) {
    if (each.is_object()) made.push_back({text_member(each, "pointer"), text_member(each, "detail")});
  }
  return made;
}

// What answered, where it is neither a reply nor a problem of the service.
std::string described(const Answer& answer) {
  std::string text = "status " + std::to_string(answer.status) + " with " + (answer.media_type.empty() ? "no media type" : answer.media_type);
  return answer.location.empty() ? text : text + ", which leads to " + answer.location + " and is not followed";
}

Problem problem_of(const Request& request, const Answer& answer) {
  const auto document = nlohmann::json::parse(answer.body, nullptr, false);
  if (answer.media_type != "application/problem+json" || !document.is_object()) {
    throw BadReply(request.address, described(answer), "a reply of a gradwire service; is this its address?");
  }
  Problem problem;
  problem.status = static_cast<int>(answer.status);
  problem.title = text_member(document, "title");
  problem.detail = text_member(document, "detail");
  problem.errors = field_errors(document);
  problem.retry_after = seconds_in(answer.retry_after);
  problem.request_id = answer.request_id;
  return problem;
}

template <class T>
void check_loss(const Tensors<T>& tensors, const Job<T>& job) {
  const auto found = tensors.find("loss");
  if (found == tensors.end()) throw Unreadable("no loss", "a loss");
  const std::vector<std::size_t>& shape = found->second.shape;
  const std::vector<std::size_t> matrix{job.scores.rows(), job.scores.columns()};
  const bool reduced = job.reduction.value_or("mean") != "none";
  if (reduced && !shape.empty()) throw Unreadable("a loss " + shown(shape), "one number");
  if (!std::equal(shape.begin(), shape.end(), matrix.begin(), matrix.begin() + std::min<std::ptrdiff_t>(shape.size(), 2))) {
    throw Unreadable("a loss " + shown(shape), "the shape " + shown(matrix) + ", or its rows alone");
  }
}

template <class T>
void check_grad(const Tensors<T>& tensors, const Job<T>& job) {
  const std::vector<std::size_t> expected{job.scores.rows(), job.scores.columns()};
  const auto found = tensors.find("grad");
  if (found == tensors.end()) throw Unreadable("no grad", "grad " + shown(expected));
  if (found->second.shape != expected) throw Unreadable("grad " + shown(found->second.shape), "grad " + shown(expected));
}

template <class T>
Array<T> array(Tensor<T> tensor) {
  if (tensor.shape.empty()) return tensor.values.front();
  if (tensor.shape.size() == 1) return std::move(tensor.values);
  return Rows<T>(tensor.shape[0], tensor.shape[1], std::move(tensor.values));
}

template <class T>
Reply<T> reply_of(const Answer& answer, const Job<T>& job, bool wants_grad) {
  Tensors<T> tensors = answer.media_type == JSON ? json::read<T>(answer.body) : safetensors::read<T>(answer.body);
  check_loss(tensors, job);
  Reply<T> reply;
  reply.loss = array(std::move(tensors["loss"]));
  if (wants_grad) check_grad(tensors, job), reply.grad = array(std::move(tensors["grad"])).rows();
  reply.request_id = answer.request_id;
  return reply;
}

void refuse_control_characters(const std::string& key) {
  const auto found = std::find_if(key.begin(), key.end(), [](unsigned char each) { return each < ' ' || each == 0x7f; });
  if (found == key.end()) return;
  throw Error("the API key has a control character at position " + std::to_string(found - key.begin()) +
              ", which no header can hold; was it read with the end of its line?");
}

}  // namespace

Answer Client::Inside::send(const Request& request) {
  const Deadline deadline(options.timeout);
  for (int attempt = 0;; ++attempt) {
    Answer answer = connections.post(request, deadline);
    const std::optional<double> pause_s = pause_after(answer, attempt);
    const double left_s = std::chrono::duration<double>(deadline.left()).count();
    if (!pause_s || attempt >= options.retries || *pause_s >= left_s) return answer;
    std::this_thread::sleep_for(std::chrono::duration<double>(*pause_s));
  }
}

void Client::Inside::fail(const Request& request, const Answer& answer) const {
  if (answer.code == CURLE_OPERATION_TIMEDOUT) throw TimedOut(options.timeout, request.address, answer.waited_for);
  if (answer.too_large) {
    throw BadReply(request.address, "more than " + std::to_string(options.most_reply_bytes) + " bytes", "at most as many");
  }
  if (answer.began) {
    throw BadReply(request.address, "a reply cut after " + std::to_string(answer.body.size()) + " bytes (" + answer.reason + ")", "all of it");
  }
  throw Unreachable(request.address, answer.reason);
}

template <class T>
Reply<T> Client::Inside::call(const char* path, const Job<T>& job, bool wants_grad) {
  const bool binary = options.form == Form::binary && safetensors::holds(job);
  const Request request{url + path, binary ? SAFETENSORS : JSON, options.api_key, binary ? safetensors::write(job) : json::write(job),
                        options.most_reply_bytes};
  const Answer answer = send(request);
  if (answer.code != CURLE_OK) fail(request, answer);
  if (answer.status != 200) throw Refused(problem_of(request, answer));
  if (answer.media_type != request.media_type) throw BadReply(request.address, described(answer), request.media_type);
  try {
    return reply_of(answer, job, wants_grad);
  } catch (const Unreadable& unreadable) {
    throw BadReply(request.address, unreadable.what(), unreadable.expected);
  }
}

Client::Client(std::string url, Options options) : inside_(std::make_unique<Inside>()) {
  refuse_control_characters(options.api_key);
  while (!url.empty() && url.back() == '/') url.pop_back();
  inside_->url = std::move(url);
  inside_->options = std::move(options);
}

Client::~Client() = default;
Client::Client(Client&&) noexcept = default;
Client& Client::operator=(Client&&) noexcept = default;

template <class T>
Reply<T> Client::loss(const Job<T>& job) const {
  return inside_->call("/loss", job, false);
}

template <class T>
Reply<T> Client::grad(const Job<T>& job) const {
  return inside_->call("/grad", job, true);
}

template Reply<float> Client::loss(const Job<float>&) const;
template Reply<double> Client::loss(const Job<double>&) const;
template Reply<float> Client::grad(const Job<float>&) const;
template Reply<double> Client::grad(const Job<double>&) const;

}  // namespace gradwire
