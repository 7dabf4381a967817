// The loss and the gradient of two rows: build with CMake, or `g++ -std=c++17 ten_lines.cpp $(pkg-config --cflags --libs gradwire)`.
#include <cstdlib>
#include <gradwire/gradwire.hpp>
#include <iostream>

int main() try {
  const char* url = std::getenv("GRADWIRE_URL");
  const gradwire::Client client(url != nullptr ? url : "http://127.0.0.1:8000");
  gradwire::Job<double> job;
  job.loss = "softmax_cross_entropy";
  job.scores = {{2.0, 0.5, -1.0}, {0.1, 1.2, 3.0}};
  job.labels = {{0}, {1, 2}};
  const auto reply = client.grad(job);
  std::cout << reply.loss.number() << "\n";
  for (std::size_t row = 0; row < reply.grad.rows(); ++row) {
    for (const double each : reply.grad[row]) std::cout << each << " ";
    std::cout << "\n";
  }
} catch (const gradwire::Error& error) {
  std::cerr << error.what() << "\n";
  return 1;
}
