// The texts of errors.
#include "gradwire/errors.hpp"

namespace gradwire {
namespace {

// The detail, then what it does not mention, a line each.
std::string text_of(const Problem& problem) {
  std::string text = problem.detail.empty() ? problem.title : problem.detail;
  for (const FieldError& error : problem.errors) {
    const std::string line = error.pointer.empty() ? error.detail : error.pointer + ": " + error.detail;
    if (problem.detail.find(line) == std::string::npos) text += "\n" + line;
  }
  return text;
}

std::string seconds(std::chrono::milliseconds duration) {
  std::string text = std::to_string(static_cast<double>(duration.count()) / 1000);
  text.erase(text.find_last_not_of('0') + 1);
  if (text.back() == '.') text.pop_back();
  return text + " s";
}

}  // namespace

Refused::Refused(Problem problem) : Error(text_of(problem)), Problem(std::move(problem)) {}

Unreachable::Unreachable(std::string address, std::string reason)
    : Error("no reply from " + address + ": " + reason), address(std::move(address)), reason(std::move(reason)) {}

TimedOut::TimedOut(std::chrono::milliseconds timeout, const std::string& address, std::string waited_for)
    : Error(address + " took longer than the timeout of " + seconds(timeout) + "; waited for " + waited_for),
      timeout(timeout),
      waited_for(std::move(waited_for)) {}

BadReply::BadReply(const std::string& address, std::string found, std::string expected)
    : Error("the reply of " + address + " is not what was asked for: found " + found + "; expected " + expected),
      found(std::move(found)),
      expected(std::move(expected)) {}

}  // namespace gradwire
