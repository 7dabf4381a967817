// inputs–hidden–classes with ReLU and plain SGD; every sum goes in the order that ../README.md states.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <utility>
#include <vector>

struct Generator {
  std::uint32_t x;
  double operator()() { return x = 1664525u * x + 1013904223u; }
};

inline void shuffle(std::vector<std::size_t>& order, Generator& draw) {
  for (std::size_t i = order.size(); i-- > 1;) {
    std::swap(order[i], order[static_cast<std::size_t>(draw() * static_cast<double>(i + 1) / 4294967296.0)]);
  }
}

struct Layer {
  std::size_t in, out;
  std::vector<double> weight, bias;  // [out, in], [out]

  Layer(std::size_t in, std::size_t out, Generator& draw) : in(in), out(out), weight(out * in), bias(out) {
    for (auto* each : {&weight, &bias}) {
      for (double& value : *each) value = (draw() / 2147483648.0 - 1) / std::sqrt(static_cast<double>(in));
    }
  }

  // from [in] -> to [out]
  void forward(const double* from, double* to) const {
    for (std::size_t o = 0; o < out; ++o) {
      double sum = bias[o];
      for (std::size_t i = 0; i < in; ++i) sum += weight[o * in + i] * from[i];
      to[o] = sum;
    }
  }
};

// The gradient of a layer's parameters, summed over rows.
struct LayerGrad {
  std::vector<double> weight, bias;

  explicit LayerGrad(const Layer& layer) : weight(layer.weight.size()), bias(layer.bias.size()) {}

  // A row's inputs [in] and the gradient by its outputs [out].
  void add(const Layer& layer, const double* from, const double* grad) {
    for (std::size_t o = 0; o < layer.out; ++o) {
      bias[o] += grad[o];
      for (std::size_t i = 0; i < layer.in; ++i) weight[o * layer.in + i] += grad[o] * from[i];
    }
  }

  void descend(Layer& layer, double rate) const {
    for (std::size_t i = 0; i < weight.size(); ++i) layer.weight[i] -= rate * weight[i];
    for (std::size_t i = 0; i < bias.size(); ++i) layer.bias[i] -= rate * bias[i];
  }
};

struct Network {
  Layer first, second;

  Network(std::size_t inputs, std::size_t hidden, std::size_t classes, Generator& draw)
      : first(inputs, hidden, draw), second(hidden, classes, draw) {}

  // features [inputs] -> h [hidden], scores [classes]
  void forward(const double* features, double* h, double* scores) const {
    first.forward(features, h);
    for (std::size_t i = 0; i < first.out; ++i) h[i] = std::max(h[i], 0.0);
    second.forward(h, scores);
  }

  // The gradient by the scores of a row [classes] -> by what the first layer gives [hidden].
  void backward(const double* h, const double* grad, double* grad_h) const {
    std::fill(grad_h, grad_h + first.out, 0.0);
    for (std::size_t o = 0; o < second.out; ++o) {
      for (std::size_t i = 0; i < second.in; ++i) grad_h[i] += grad[o] * second.weight[o * second.in + i];
    }
    for (std::size_t i = 0; i < first.out; ++i) grad_h[i] = h[i] > 0 ? grad_h[i] : 0.0;
  }

  std::vector<double> parameters() const {
    std::vector<double> all;
    for (const auto* each : {&first.weight, &first.bias, &second.weight, &second.bias}) all.insert(all.end(), each->begin(), each->end());
    return all;
  }
};
