// A client of one gradwire service.
#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <string>

#include "gradwire/errors.hpp"
#include "gradwire/job.hpp"

namespace gradwire {

enum class Form { binary, json };

struct Options {
  std::string api_key;                       ///< sent as `Authorization: Bearer …`; empty: none
  std::chrono::milliseconds timeout{30'000};  ///< of a whole call, retries and the waits between them included
  int retries = 3;                           ///< after 429, 503, and a connection that ended before any byte of a reply
  Form form = Form::binary;                  ///< binary is safetensors
  std::size_t most_reply_bytes = std::size_t{1} << 30;
};

/// Several threads may use one client at once: each call takes a connection of its own from those that are kept, and gives it back.
/// Constructing, moving and destroying it is one thread's business. A moved-from client can only be assigned to or destroyed.
class Client {
 public:
  /// `url` is the service's base address; a path in it is kept. Throws Error where the API key holds a line break.
  explicit Client(std::string url, Options options = {});
  ~Client();
  Client(Client&&) noexcept;
  Client& operator=(Client&&) noexcept;

  /// POST /loss: the loss alone. Throws Refused, Unreachable, TimedOut, BadReply; afterwards the client is usable as before.
  template <class T>
  Reply<T> loss(const Job<T>& job) const;

  /// POST /grad: the loss, and its gradient [N, C]. Throws as `loss` does.
  template <class T>
  Reply<T> grad(const Job<T>& job) const;

 private:
  struct Inside;
  std::unique_ptr<Inside> inside_;
};

extern template Reply<float> Client::loss(const Job<float>&) const;
extern template Reply<double> Client::loss(const Job<double>&) const;
extern template Reply<float> Client::grad(const Job<float>&) const;
extern template Reply<double> Client::grad(const Job<double>&) const;

}  // namespace gradwire
