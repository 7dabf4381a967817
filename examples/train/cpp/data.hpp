// The options of the command line, the data to learn from, and the file that is written: ../README.md describes all three.
#pragma once

#include <charconv>
#include <cstdint>
#include <fstream>
#include <iomanip>
#include <map>
#include <stdexcept>
#include <string>
#include <vector>

struct Options {
  std::map<std::string, std::string> given{{"--url", ""},       {"--data", ""},        {"--out", ""},    {"--loss", "softmax_cross_entropy"},
                                           {"--dtype", "float64"}, {"--form", "binary"}, {"--runtime", "pytorch"}, {"--epochs", "20"},
                                           {"--batch", "64"},   {"--hidden", "32"},    {"--rate", "0.1"}, {"--seed", "1"}};

  Options(int count, char** words) {
    for (int i = 1; i < count; i += 2) {
      if (given.count(words[i]) == 0) throw std::invalid_argument(std::string("unknown option ") + words[i] + "; known: " + names());
      if (i + 1 == count) throw std::invalid_argument(std::string(words[i]) + " has no value");
      given[words[i]] = words[i + 1];
    }
    for (const char* name : {"--url", "--data", "--out"}) {
      if (text(name).empty()) throw std::invalid_argument(std::string(name) + " is needed");
    }
    if (text("--form") != "binary" && text("--form") != "json") throw std::invalid_argument("--form is binary or json, not " + text("--form"));
  }

  const std::string& text(const std::string& name) const { return given.at(name); }

  template <class T>
  T number(const std::string& name, T least) const {
    const std::string& word = text(name);
    T value{};
    const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), value);
    if (error != std::errc() || end != word.data() + word.size() || !(value >= least)) {
      throw std::invalid_argument(name + " is " + word + "; expected a number of at least " + std::to_string(least));
    }
    return value;
  }

 private:
  std::string names() const {
    std::string all;
    for (const auto& each : given) all += (all.empty() ? "" : ", ") + each.first;
    return all;
  }
};

struct Data {
  std::size_t rows = 0, inputs = 0, classes = 0;
  std::vector<double> features;                   // [rows, inputs]
  std::vector<std::vector<std::int64_t>> labels;  // class indices, a list a row

  explicit Data(const std::string& file) {
    std::ifstream stream(file);
    if (!(stream >> rows >> inputs >> classes)) throw std::runtime_error(file + " cannot be read; expected 'rows inputs classes' in its first line");
    for (std::size_t row = 0; row < rows; ++row) {
      if (!read_row(stream)) throw std::runtime_error(file + ", row " + std::to_string(row) + ": not the features and labels 0 or 1 that are announced");
    }
  }

  const double* operator[](std::size_t row) const { return features.data() + row * inputs; }

 private:
  bool read_row(std::istream& stream) {
    double feature = 0;
    for (std::size_t i = 0; i < inputs && stream >> feature; ++i) features.push_back(feature);
    auto& row = labels.emplace_back();
    int label = 0;
    for (std::size_t i = 0; i < classes && stream >> label && (label == 0 || label == 1); ++i) {
      if (label == 1) row.push_back(static_cast<std::int64_t>(i));
    }
    return stream && (label == 0 || label == 1);
  }
};

struct Trained {
  double seconds = 0;
  std::size_t requests = 0;
  double loss = 0;
};

inline void write(const std::string& file, const Trained& trained, const std::vector<double>& weights) {
  std::ofstream stream(file);
  stream << std::setprecision(17) << "seconds " << trained.seconds << "\nrequests " << trained.requests << "\nloss " << trained.loss
         << "\nweights " << weights.size() << "\n";
  for (const double each : weights) stream << each << "\n";
  if (!stream.flush()) throw std::runtime_error(file + " cannot be written");
}
