// The arrays of a request and of a reply: Rows (scores, targets, labels, gradients) and Array (a number, a list, or rows).
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace gradwire {

/// One row, seen where it lies: valid as long as the Rows that it belongs to are there and keep their size.
template <class T>
struct Row {
  T* first;
  T* last;

  T* begin() const { return first; }
  T* end() const { return last; }
  std::size_t size() const { return static_cast<std::size_t>(last - first); }
  bool empty() const { return first == last; }
  T& operator[](std::size_t column) const { return first[column]; }
};

/// Rows of numbers, one behind the other in memory: a matrix [N, C], or lists of labels, which may have different lengths.
///
/// A default-constructed one is left out of the request. Scores of different lengths can be held and sent too: the service says what is
/// wrong with them.
template <class T>
class Rows {
 public:
  Rows() = default;

  /// `scores = {{2.0, 0.5, -1.0}, {0.1, 1.2, 3.0}}`, `labels = {{0}, {1, 2}}`.
  Rows(std::initializer_list<std::initializer_list<T>> rows) : given_(true) { append(rows); }

  template <class U>
  Rows(const std::vector<std::vector<U>>& rows) : given_(true) {
    append(rows);
  }

  /// A matrix of this shape, from its numbers row by row; throws std::invalid_argument where they are not as many.
  Rows(std::size_t rows, std::size_t columns, std::vector<T> values) : values_(std::move(values)), given_(true) {
    if (values_.size() != rows * columns) {
      throw std::invalid_argument(std::to_string(values_.size()) + " numbers are no matrix [" + std::to_string(rows) + ", " +
                                  std::to_string(columns) + "]");
    }
    for (std::size_t row = 1; row <= rows; ++row) ends_.push_back(row * columns);
  }

  /// A matrix of this shape, full of one number.
  Rows(std::size_t rows, std::size_t columns, T value) : Rows(rows, columns, std::vector<T>(rows * columns, value)) {}

  /// One number a row, which the wire writes as a plain list. The mean of softmax_cross_entropy is then PyTorch's.
  static Rows single(std::vector<T> values) {
    const std::size_t rows = values.size();
    Rows made(rows, 1, std::move(values));
    made.single_ = true;
    return made;
  }

  bool given() const { return given_; }
  bool is_single() const { return single_; }
  std::size_t rows() const { return ends_.size() - 1; }
  /// How many numbers the first row has: C of a matrix.
  std::size_t columns() const { return rows() == 0 ? 0 : ends_[1]; }
  bool ragged() const {
    for (std::size_t row = 0; row < rows(); ++row) {
      if (ends_[row + 1] - ends_[row] != columns()) return true;
    }
    return false;
  }

  Row<const T> operator[](std::size_t row) const { return {values_.data() + ends_[row], values_.data() + ends_[row + 1]}; }
  Row<T> operator[](std::size_t row) { return {values_.data() + ends_[row], values_.data() + ends_[row + 1]}; }

  /// All numbers, row by row.
  const std::vector<T>& values() const { return values_; }
  T* data() { return values_.data(); }
  const T* data() const { return values_.data(); }
  /// Where each row begins in `values()`, and where the last ends: [N + 1].
  const std::vector<std::size_t>& offsets() const { return ends_; }

 private:
  template <class Lists>
  void append(const Lists& rows) {
    for (const auto& row : rows) {
      for (const auto& value : row) values_.push_back(static_cast<T>(value));
      ends_.push_back(values_.size());
    }
  }

  std::vector<T> values_;
  std::vector<std::size_t> ends_{0};
  bool given_ = false;
  bool single_ = false;
};

template <class T>
using Matrix = Rows<T>;
/// Class indices, a list a row, from 0 to C - 1; a row without any is an empty list.
using Labels = Rows<std::int64_t>;

/// A number, a list of numbers, or rows of them. A default-constructed one is left out of the request.
template <class T>
class Array {
 public:
  Array() = default;
  Array(T number) : rows_(1, 1, number), rank_(0) {}
  Array(std::initializer_list<T> values) : Array(std::vector<T>(values)) {}
  Array(std::vector<T> values) : rows_(Rows<T>::single(std::move(values))), rank_(1) {}
  Array(Rows<T> rows) : rows_(std::move(rows)), rank_(!rows_.given() ? -1 : rows_.is_single() ? 1 : 2) {}

  bool given() const { return rank_ >= 0; }
  /// 0: a number, 1: a list, 2: rows; -1: left out.
  int rank() const { return rank_; }
  std::vector<std::size_t> shape() const {
    const std::vector<std::size_t> both{rows_.rows(), rows_.columns()};
    return {both.begin(), both.begin() + std::max(rank_, 0)};
  }

  /// The number that this is; throws std::logic_error where it is a list or rows.
  T number() const {
    if (rank_ != 0) throw std::logic_error("this is no single number; values() has all of them, and shape() their shape");
    return rows_.values().front();
  }
  const std::vector<T>& values() const { return rows_.values(); }
  /// The same as rows: of one number each where this is a list.
  const Rows<T>& rows() const { return rows_; }

 private:
  Rows<T> rows_;
  int rank_ = -1;
};

}  // namespace gradwire
