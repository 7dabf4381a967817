// A small network learns a multi-label task; loss and gradient come from gradwire: ../README.md says what it does, number by number.
#include <chrono>
#include <gradwire/gradwire.hpp>
#include <iostream>
#include <numeric>

#include "data.hpp"
#include "network.hpp"

using Rows = std::vector<std::size_t>;

struct Training {
  const Data& data;
  const gradwire::Client& client;
  gradwire::Job<double> job;
  double rate;
  Network network;
  Trained trained{};

  // One batch: scores, their gradient from the service, a step of all parameters. Returns the batch's loss.
  double step(const Rows& rows) {
    const std::size_t hidden = network.first.out;
    std::vector<double> h(rows.size() * hidden), grad_h(hidden);
    std::vector<std::vector<std::int64_t>> labels;
    job.scores = gradwire::Matrix<double>(rows.size(), data.classes, 0.0);
    for (std::size_t r = 0; r < rows.size(); ++r) {
      network.forward(data[rows[r]], &h[r * hidden], job.scores[r].begin());
      labels.push_back(data.labels[rows[r]]);
    }
    job.labels = labels;
    const auto reply = client.grad(job);
    ++trained.requests;
    LayerGrad first(network.first), second(network.second);
    for (std::size_t r = 0; r < rows.size(); ++r) {
      const double* grad = reply.grad[r].begin();
      network.backward(&h[r * hidden], grad, grad_h.data());
      first.add(network.first, data[rows[r]], grad_h.data());
      second.add(network.second, &h[r * hidden], grad);
    }
    first.descend(network.first, rate);
    second.descend(network.second, rate);
    return reply.loss.number();
  }

  // All rows once, in this order; returns the rows' mean of the batches' losses.
  double epoch(const Rows& order, std::size_t batch) {
    double total = 0;
    for (std::size_t start = 0; start < order.size(); start += batch) {
      const std::size_t end = std::min(start + batch, order.size());
      const Rows rows(order.begin() + static_cast<std::ptrdiff_t>(start), order.begin() + static_cast<std::ptrdiff_t>(end));
      total += static_cast<double>(rows.size()) * step(rows);
    }
    return total / static_cast<double>(order.size());
  }
};

static gradwire::Client client_of(const Options& options) {
  gradwire::Options made;
  made.form = options.text("--form") == "json" ? gradwire::Form::json : gradwire::Form::binary;
  return gradwire::Client(options.text("--url"), made);
}

static gradwire::Job<double> job_of(const Options& options) {
  gradwire::Job<double> job;
  job.loss = options.text("--loss");
  job.dtype = options.text("--dtype");
  job.runtime = options.text("--runtime");
  return job;
}

static void train(const Options& options) {
  const Data data(options.text("--data"));
  const gradwire::Client client = client_of(options);
  const auto epochs = options.number<std::size_t>("--epochs", 0), batch = options.number<std::size_t>("--batch", 1);
  const auto hidden = options.number<std::size_t>("--hidden", 1);
  Generator draw{options.number<std::uint32_t>("--seed", 0)};
  Training training{data, client, job_of(options), options.number<double>("--rate", 0), Network(data.inputs, hidden, data.classes, draw)};
  Rows order(data.rows);
  std::iota(order.begin(), order.end(), std::size_t{0});
  const auto begin = std::chrono::steady_clock::now();
  for (std::size_t each = 0; each < epochs; ++each) {
    shuffle(order, draw);
    training.trained.loss = training.epoch(order, batch);
  }
  training.trained.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  write(options.text("--out"), training.trained, training.network.parameters());
}

int main(int count, char** words) try {
  train(Options(count, words));
} catch (const std::exception& error) {
  std::string line = error.what();
  std::replace(line.begin(), line.end(), '\n', ' ');
  std::cerr << line << "\n";
  return 1;
}
