// What the tests are written with: a check is counted, and said where it is not well.
#pragma once

#include <cstdlib>
#include <functional>
#include <iostream>
#include <optional>
#include <string>

#include "gradwire/gradwire.hpp"

inline int checks = 0;
inline int failures = 0;

inline void check(bool well, const std::string& what) {
  ++checks;
  if (well) return;
  ++failures;
  std::cerr << "not well: " << what << "\n";
}

template <class A, class B>
void equals(const A& found, const B& expected, const std::string& what) {
  check(found == expected, what);
  if (!(found == expected)) std::cerr << "  found " << found << ", expected " << expected << "\n";
}

inline void contains(const std::string& text, const std::string& part, const std::string& what) {
  check(text.find(part) != std::string::npos, what + ": '" + part + "' in '" + text + "'");
}

/// The error of this kind that `call` ends with; anything else is a failure.
template <class E, class Call>
std::optional<E> caught(const std::string& what, Call&& call) try {
  call();
  check(false, what + ": no error");
  return std::nullopt;
} catch (const E& error) {
  check(true, what);
  return error;
} catch (const std::exception& error) {
  check(false, what + ": another error: " + error.what());
  return std::nullopt;
}

inline std::string environment(const char* name) {
  const char* value = std::getenv(name);
  if (value != nullptr) return value;
  std::cerr << name << " is not set: clients/README.md says what the tests need\n";
  std::exit(1);
}

/// The ten lines' job.
template <class T>
gradwire::Job<T> two_rows() {
  gradwire::Job<T> job;
  job.loss = "softmax_cross_entropy";
  job.scores = {{2.0, 0.5, -1.0}, {0.1f, 1.2f, 3.0}};
  job.labels = {{0}, {1, 2}};
  return job;
}

inline gradwire::Options with_form(gradwire::Form form) {
  gradwire::Options options;
  options.form = form;
  return options;
}

void test_arrays();
void test_forms();
void test_golden();
void test_live();
void test_locked();
void test_faults();
void test_connections();
