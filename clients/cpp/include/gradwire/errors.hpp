// What can go wrong with a call: one tree.
//
// Error                 (also thrown itself: for an API key that no header can hold)
// ├── Refused           the service answered with a problem
// ├── Unreachable       no connection, or one that broke
// ├── TimedOut          the timeout of the call passed
// └── BadReply          what answered is not gradwire, or its reply is not what was asked for
#pragma once

#include <chrono>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace gradwire {

struct Error : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// One thing that is wrong with a request: where (a JSON pointer such as /labels/0/1) and what.
struct FieldError {
  std::string pointer;
  std::string detail;
};

/// A problem document (RFC 9457), and what its headers add.
struct Problem {
  int status = 0;
  std::string title;
  std::string detail;
  std::vector<FieldError> errors;
  std::optional<double> retry_after;  ///< seconds
  std::string request_id;
};

struct Refused : Error, Problem {
  explicit Refused(Problem problem);
};

struct Unreachable : Error {
  Unreachable(std::string address, std::string reason);
  std::string address;
  std::string reason;
};

struct TimedOut : Error {
  TimedOut(std::chrono::milliseconds timeout, const std::string& address, std::string waited_for);
  std::chrono::milliseconds timeout;
  std::string waited_for;
};

struct BadReply : Error {
  BadReply(const std::string& address, std::string found, std::string expected);
  std::string found;
  std::string expected;
};

}  // namespace gradwire
