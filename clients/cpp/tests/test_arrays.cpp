#include <vector>

#include "check.hpp"

using gradwire::Array;
using gradwire::Labels;
using gradwire::Matrix;

static void test_rows() {
  const Matrix<double> matrix = {{1, 2, 3}, {4, 5, 6}};
  check(matrix.given() && !matrix.ragged() && !matrix.is_single(), "a matrix is there, and regular");
  equals(matrix.rows(), 2u, "its rows");
  equals(matrix.columns(), 3u, "its columns");
  equals(matrix[1][2], 6.0, "its last number");
  check(!Matrix<double>().given(), "one without numbers is left out");
  check(Matrix<double>(std::vector<std::vector<int>>{{1, 2}, {3}}).ragged(), "rows of different lengths are ragged");
  caught<std::invalid_argument>("five numbers are no [2, 3]", [] { Matrix<float>(2, 3, std::vector<float>(5)); });
}

static void test_labels() {
  Labels labels = {{0, 2}, {}, {1}};
  equals(labels.rows(), 3u, "a row without labels is a row");
  check(labels[1].empty(), "and it is empty");
  labels = {{5, 6}};
  equals(labels.rows(), 1u, "one row of two labels is one row");
  equals(labels[0].size(), 2u, "of two labels");
  check(Labels::single({2, 0}).is_single(), "single labels are one a row");
  equals(Labels::single({2, 0}).rows(), 2u, "and as many as rows");
}

static void test_array() {
  gradwire::Job<float> job;
  job.pos_weight = 2;
  job.class_weight = {1.0, 0.5};
  job.grad_output = Matrix<float>{{1, 2}, {3, 4}};
  equals(job.pos_weight.number(), 2.0f, "a number is a number");
  equals(job.class_weight.rank(), 1, "numbers in braces are a list");
  equals(job.grad_output.rank(), 2, "a matrix is rows");
  equals(job.grad_output.shape()[1], 2u, "of two columns");
  check(job.pos_weight.shape().empty() && !job.sample_weight.given(), "a number has no shape, and what is not set is left out");
  caught<std::logic_error>("a list is no number", [&job] { job.class_weight.number(); });
}

void test_arrays() {
  test_rows();
  test_labels();
  test_array();
}
