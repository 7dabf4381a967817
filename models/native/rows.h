// The formulas of the fused kernel over rows of plain memory. No tensor library in here: a sanitizer can be run on this file alone.
//
// A row is read once from memory and its gradient written once; what lies between stays in the first two caches. One exponential is taken
// for an element, and for a softmax it is kept where the gradient will stand. Rows do not know of each other, so that the number of
// threads changes nothing; within a row, 512 elements are added in T, in as many lanes as the machine's vectors have, and these sums in
// double, from left to right. Two kinds of machine may differ in the last digit, as they do in whether they have fused multiply-add.
//
// Loops are plain, without branches, and their bodies are inlined: GCC turns them into vectors of whatever machine `for_rows` is compiled
// for, which is x86-64, AVX2 or AVX-512 in one library, chosen at run time, or arm64's own.
#pragma once
#include <array>
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <type_traits>

#define INLINED __attribute__((always_inline))
#define INLINE inline INLINED

namespace gradwire {

using i64 = std::int64_t;
constexpr i64 BLOCK = 512;

// ---- exp and log, in T ------------------------------------------------------------------------------------------------------------------

template <class T, int terms, class Make> constexpr std::array<T, terms> list(Make make) {
  std::array<T, terms> made{};
  for (int k = 0; k < terms; ++k) made[k] = T(make(k));
  return made;
}
constexpr double in_exp(int k) { return k < 2 ? 1 : in_exp(k - 1) / k; }  // Taylor's series of e^r
constexpr double in_atanh(int k) { return 1.0 / (2 * k + 1); }            // and of atanh(s)/s by s²

// What exp and log1p need. The series are, for float, minimax polynomials of the relative error: the exchange of Remez in 50 digits
// (mpmath), each coefficient rounded to float, the first first, and those after it fitted again. exp: |r| ≤ 0.34661, first two terms
// kept; off by 3.2e-9. atanh: s² ≤ 1/9, first term kept; off by 4.5e-9. For double Taylor's, with as many terms as it has digits for.
template <class T> struct Real;
template <> struct Real<float> {
  using Bits = std::uint32_t;
  static constexpr int mantissa = 23;
  static constexpr std::array exp = {1.0f, 1.0f, 0.49999994f, 0.166665167f, 0.0416681021f, 0.00836919248f, 0.00138389028f};
  static constexpr std::array atanh = {1.0f, 0.333332092f, 0.200107187f, 0.140015125f, 0.140033901f};
  static constexpr float ln2_high = 0.693359375f, ln2_low = -2.12194440e-4f;     // the first has 9 bits: n times it is exact
  static constexpr float to_integer = 12582912.0f;                               // 1.5·2^23: adding it rounds to an integer
};
template <> struct Real<double> {
  using Bits = std::uint64_t;
  static constexpr int mantissa = 52;
  static constexpr auto exp = list<double, 14>(in_exp), atanh = list<double, 17>(in_atanh);
  static constexpr double ln2_high = 6.93147180369123816490e-01, ln2_low = 1.90821492927058770002e-10;
  static constexpr double to_integer = 6755399441055744.0;
};

// c ? a : b, without a branch: where the compiler sees none, it makes vectors.
template <class T> INLINE T either(typename Real<T>::Bits all, T a, T b) {  // all: every bit 1 for a, or 0 for b
  using Bits = typename Real<T>::Bits;
  return std::bit_cast<T>((std::bit_cast<Bits>(a) & all) | (std::bit_cast<Bits>(b) & ~all));
}
template <class T> INLINE T select(bool c, T a, T b) {
  using Bits = typename Real<T>::Bits;
  return either(Bits(0) - Bits(c), a, b);
}

// Whether x has a minus, as `either` wants it: a shift, for a comparison would take a multiplier's place on an AVX-512 machine.
template <class T> INLINE typename Real<T>::Bits sign_of(T x) {
  using Bits = typename Real<T>::Bits;
  return Bits(std::bit_cast<std::make_signed_t<Bits>>(x) >> (8 * sizeof(T) - 1));
}

// c[first] + c[first + 1]·x + …, unrolled by the compiler before it looks for vectors.
template <const auto& c, std::size_t first = 0, class T> INLINE T polynomial(T x) {
  if constexpr (first + 1 == c.size()) return c[first];
  else return c[first] + x * polynomial<c, first + 1>(x);
}

// e^x for x ≤ 0, within 1.2 ulp while that is a normal number. A little below the smallest of them it is 0, or with `gradual` as many of its
// digits as are left: of 1 − σ, which a loss may yet multiply.
template <bool gradual = false, class T> INLINE T exp_of(T x) {
  using R = Real<T>;
  using Bits = typename R::Bits;
  constexpr int up = gradual ? 64 : 0, bias = std::numeric_limits<T>::max_exponent - 1 + up;
  constexpr T least = T(-0.69314718055994531 * bias);  // where the bits of 2^n have just become those of 0
  const T shifted = x * T(1.4426950408889634074) + R::to_integer;
  const T n = shifted - R::to_integer;
  const T r = (x - n * R::ln2_high) - n * R::ln2_low;
  T power = std::bit_cast<T>((std::bit_cast<Bits>(shifted) + Bits(bias)) << R::mantissa);  // a number without meaning for x < least
  if constexpr (gradual) power *= T(1 / 18446744073709551616.0);  // here, where nothing waits for it; exact for all that is not then 0
  const T e = polynomial<R::exp>(r) * power;
  if constexpr (gradual) return select(x < least, T(0), e);
  else return x < least ? T(0) : e;  // alone in its loop, GCC makes better vectors of this; beside a logistic, of the other
}

// log(1 + u) for −½ ≤ u ≤ 1, within 2 ulp of itself, however small.
template <class T> INLINE T log1p_of(T u) {
  const T s = u / (T(2) + u), z = s * s, twice = T(2) * s;
  return twice + twice * (z * polynomial<Real<T>::atanh, 1>(z));
}

// log(x) of a positive normal double, within 3 ulp.
constexpr auto NEAR_ONE = list<double, 11>(in_atanh);  // s² ≤ 0.03
INLINE double log_of(double x) {
  constexpr std::uint64_t half_root = 0x3fe6a09e667f3bcd, one = 0x3ff0000000000000;  // √½, 1
  const std::uint64_t bits = std::bit_cast<std::uint64_t>(x) + (one - half_root);
  const double n = std::bit_cast<double>((bits >> 52) | 0x4330000000000000) - (4503599627370496.0 + 1023);
  const double m = std::bit_cast<double>((bits & 0x000fffffffffffff) + half_root);  // √½ to √2
  const double s = (m - 1) / (m + 1);
  return n * Real<double>::ln2_high + (2 * s * polynomial<NEAR_ONE>(s * s) + n * Real<double>::ln2_low);
}

// Two ways to u^γ, 0 ≤ u ≤ 1: by multiplication for 0, 1 … 7, else by the logarithm in double, for which float has too few digits.
template <class T> struct WholePower {
  T one[2], two[2], four[2];  // a factor of u, u², u⁴, and what is added to it: 1, 0 or 0, 1
  static bool covers(double gamma) { return gamma >= 0 && gamma <= 7 && gamma == std::floor(gamma); }
  explicit WholePower(double gamma) {
    const int n = int(gamma);
    one[0] = T(n & 1), two[0] = T(n >> 1 & 1), four[0] = T(n >> 2 & 1);
    one[1] = 1 - one[0], two[1] = 1 - two[0], four[1] = 1 - four[0];
  }
  INLINE T of(T u) const {
    const T u2 = u * u;
    return (one[0] * u + one[1]) * (two[0] * u2 + two[1]) * (four[0] * (u2 * u2) + four[1]);
  }
};
template <class T> struct AnyPower {
  double gamma, at_zero;
  static bool covers(double) { return true; }
  explicit AnyPower(double gamma) : gamma(gamma), at_zero(gamma == 0 ? 1 : 0) {}
  INLINE T of(T u) const {
    const double v = double(u), power = exp_of(gamma * log_of(select(v < 1, v, 1.0)));
    return T(select(v < std::numeric_limits<double>::min(), at_zero, power));
  }
};

// ---- a batch, and what every loss does with it ------------------------------------------------------------------------------------------

template <class T> struct Batch {
  i64 rows, classes;
  const T* scores;                    // [N, C]; −inf: the class is masked
  const T* targets = nullptr;         // [N, C], 0 where a score is −inf; or null: labels
  const i64* labels = nullptr;        // row n has labels[offsets[n]] … labels[offsets[n + 1] − 1], each in 0 … C − 1
  const i64* offsets = nullptr;
  const T* label_weights = nullptr;   // beside labels; null here and below: all 1
  const std::uint8_t* mask = nullptr; // [N, C] 0 where a class is masked
  const T* class_weight = nullptr;    // [C]
  const T* pos_weight = nullptr;      // [C]
  const T* sample_weight = nullptr;   // [N]
  const T* element_weight = nullptr;  // [N, C]
  const T* grad_output = nullptr;     // as many numbers as the loss has, or one
  bool one_grad_output = true;
  double divisor = 1;                 // of the gradient; the caller divides the loss
  T* loss = nullptr;                  // [N] or [N, C]; null: only the sum is wanted
  double* totals = nullptr;           // [N], the sum of each row's part
  T* grad = nullptr;                  // [N, C], or null

  INLINE double weight(i64 row) const { return sample_weight ? double(sample_weight[row]) : 1.0; }
  INLINE T scale(i64 row) const {  // of a row's gradient, but for a grad_output for each element
    return T(weight(row) * (grad_output ? double(grad_output[one_grad_output ? 0 : row]) : 1.0) / divisor);
  }
  INLINE bool here(i64 row, i64 label) const {
    return scores[row * classes + label] > -std::numeric_limits<T>::infinity() && (!mask || mask[row * classes + label]);
  }
  INLINE double label_weight(i64 row, i64 at) const { return !here(row, labels[at]) ? 0 : label_weights ? double(label_weights[at]) : 1; }
};

// What a thread needs beside a batch: zeros [3, C], then ones [BLOCK].
template <class T> struct Scratch {
  T *x, *y, *more, *ones;
  static std::size_t size(i64 classes) { return 3 * std::size_t(classes) + BLOCK; }
  Scratch(T* zeros, i64 classes) : x(zeros), y(zeros + classes), more(y + classes), ones(more + classes) {
    for (i64 i = 0; i < BLOCK; ++i) ones[i] = 1;
  }
};

template <class T> constexpr T MASKED = -std::numeric_limits<T>::infinity();

// Σ term(i) for 0 ≤ i < n ≤ BLOCK, in as many lanes as the machine has. What does not fill a vector of 64 bytes goes through a list of its
// own, for which the compiler takes smaller vectors: the loop that adds would take its numbers one by one.
template <class T> constexpr i64 VECTOR = 64 / sizeof(T);
template <class T, class Term> INLINE double sum_of(i64 n, const Term& term) {
  const i64 whole = n & -VECTOR<T>;
  T total = 0, rest[VECTOR<T>] = {};
#pragma omp simd reduction(+ : total)
  for (i64 i = 0; i < whole; ++i) total += term(i);
  if (whole == n) return double(total);
  for (i64 i = whole; i < n; ++i) rest[i - whole] = term(i);
#pragma omp simd reduction(+ : total)
  for (i64 i = 0; i < VECTOR<T>; ++i) total += rest[i];
  return double(total);
}
#define TERM [=](i64 i) INLINED
template <class T> INLINE double sum(const T* __restrict x, i64 n) { return sum_of<T>(n, TERM { return x[i]; }); }

// The largest of n numbers, −inf if there are none: as integers in the same order, of which the compiler may take the largest anyhow.
template <class T> INLINE T largest(const T* __restrict x, i64 n) {
  using Int = std::make_signed_t<typename Real<T>::Bits>;
  constexpr Int all_but_sign = std::numeric_limits<Int>::max();
  const auto flipped = [](Int bits) __attribute__((always_inline)) { return bits ^ ((bits >> (8 * sizeof(T) - 1)) & all_but_sign); };
  Int top = flipped(std::bit_cast<Int>(MASKED<T>));
  for (i64 i = 0; i < n; ++i) {
    const Int each = flipped(std::bit_cast<Int>(x[i]));
    top = each > top ? each : top;
  }
  return std::bit_cast<T>(flipped(top));
}

template <class T> INLINE void times(T* __restrict x, const T* __restrict by, i64 n) {
  for (i64 i = 0; i < n; ++i) x[i] *= by[i];
}

// A row's scores, -inf where the mask says so.
template <class T> INLINE const T* masked_scores(const Batch<T>& b, i64 row, T* __restrict copy) {
  const T* __restrict x = b.scores + row * b.classes;
  if (!b.mask) return x;
  const std::uint8_t* __restrict mask = b.mask + row * b.classes;
  for (i64 i = 0; i < b.classes; ++i) copy[i] = select(mask[i] != 0, x[i], MASKED<T>);
  return copy;
}

// A row's labels for every class; `forget` makes the copy zeros again.
template <class T> INLINE const T* dense_labels(const Batch<T>& b, i64 row, T* copy) {
  if (b.targets) return b.targets + row * b.classes;
  for (i64 at = b.offsets[row]; at < b.offsets[row + 1]; ++at) copy[b.labels[at]] += T(b.label_weight(row, at));
  return copy;
}
template <class T> INLINE void forget(const Batch<T>& b, i64 row, T* copy) {
  if (b.targets) return;
  for (i64 at = b.offsets[row]; at < b.offsets[row + 1]; ++at) copy[b.labels[at]] = 0;
}

template <class T> INLINE void row_loss(const Batch<T>& b, i64 row, double loss) {
  loss *= b.weight(row);
  if (b.loss) b.loss[row] = T(loss);
  else b.totals[row] = loss;
}

// ---- softmax ----------------------------------------------------------------------------------------------------------------------------

enum Normalize { COUNT, SUM, NONE };

// −Σ t·log p, p = softmax(x / temperature); gradient (p·Σt − t) / temperature. t is, for every class, what dense targets and smoothing
// give it (`spread`), and for those of sparse labels what these give besides.
template <class T> struct Softmax {
  Batch<T> b;
  Normalize normalize;
  double smoothing;
  T temperature;

  INLINE void operator()(i64 row, const Scratch<T>& scratch) const {
    const i64 classes = b.classes;
    const T* x = masked_scores(b, row, scratch.x);
    const T* y = b.targets ? b.targets + row * classes : scratch.y;  // zeros
    T* grad = b.grad ? b.grad + row * classes : nullptr;
    const T highest = largest(x, classes), top = highest > MASKED<T> ? highest : T(0);
    // The usual case, in one pass: t is the targets, times a number that is known after it.
    const bool plain = b.targets && smoothing == 0 && temperature == T(1) && !b.class_weight && !b.mask;
    Sums sums;
    if (!plain && (normalize == COUNT || smoothing != 0)) sums.count = counted(row, x, y, true);
    if (!plain && normalize == SUM) sums.labels = counted(row, x, y, false);
    double share = plain ? 1 : (1 - smoothing) / divisor(sums), rest = sums.count != 0 ? smoothing / double(classes) : 0;
    const bool everywhere = b.targets || rest != 0;

    T block[BLOCK], room[BLOCK];
    double mass = 0;  // Σ t
    for (i64 at = 0; at < classes; at += BLOCK) {
      const i64 n = classes - at < BLOCK ? classes - at : BLOCK;
      T* e = grad ? grad + at : block;
      if (plain) {
        exponentials_and_labels(x + at, y + at, e, n, top, sums);
        continue;
      }
      if (everywhere) {
        const T* t = spread(x + at, y + at, b.class_weight ? b.class_weight + at : scratch.ones, T(share), T(rest), room, n);
        mass += sum(t, n);
        sums.weighed += weighed(t, x + at, top, n);
      }
      sums.total += exponentials(x + at, e, n, top);
    }
    if (plain) share = 1 / divisor(sums), mass = share * sums.labels;
    const double unit = plain ? share : 1, total = sums.total > 0 ? sums.total : 1, log_total = std::log(total);
    double loss = log_total * mass - unit * sums.weighed;
    if (b.labels) {
      for (i64 at = b.offsets[row]; at < b.offsets[row + 1]; ++at) {
        const double weight = named(row, at, share);
        mass += weight;
        if (weight != 0) loss -= weight * (double(cooled(x[b.labels[at]] - top)) - log_total);
      }
    }
    row_loss(b, row, loss);
    if (!grad) return;
    const double scale = double(b.scale(row)) / double(temperature);
    const T of_p = T(mass / total * scale), of_t = T(unit * scale);
    for (i64 at = 0; at < classes; at += BLOCK) {
      const i64 n = classes - at < BLOCK ? classes - at : BLOCK;
      T* __restrict g = grad + at;
      if (everywhere) {
        const T* __restrict t =
            plain ? y + at : spread(x + at, y + at, b.class_weight ? b.class_weight + at : scratch.ones, T(share), T(rest), room, n);
        for (i64 i = 0; i < n; ++i) g[i] = g[i] * of_p - t[i] * of_t;
      } else {
        for (i64 i = 0; i < n; ++i) g[i] *= of_p;
      }
    }
    if (b.labels)
      for (i64 at = b.offsets[row]; at < b.offsets[row + 1]; ++at) grad[b.labels[at]] -= T(named(row, at, share) * scale);
  }

  // Of a row's x and labels y: Σ e^(x − top), the number of y that are not 0, Σ y, Σ t·(x − top).
  struct Sums {
    double total = 0, count = 0, labels = 0, weighed = 0;
  };
  INLINE double divisor(const Sums& sums) const {
    const double found = normalize == NONE ? 1 : normalize == COUNT ? sums.count : sums.labels;
    return found != 0 ? found : 1;
  }

  // All of them at once, with y for t.
  INLINE void exponentials_and_labels(const T* __restrict x, const T* __restrict y, T* __restrict e, i64 n, T top, Sums& sums) const {
    T total = 0, count = 0, labels = 0, weighed = 0;
#pragma omp simd reduction(+ : total, count, labels, weighed)
    for (i64 i = 0; i < n; ++i) {
      const T shifted = x[i] - top;
      total += e[i] = exp_of(shifted);
      count += T(y[i] != 0);
      labels += y[i];
      weighed += select(y[i] != 0, y[i] * shifted, T(0));
    }
    sums.total += double(total), sums.count += double(count), sums.labels += double(labels), sums.weighed += double(weighed);
  }

  INLINE T cooled(T shifted) const { return temperature == T(1) ? shifted : shifted / temperature; }

  INLINE double exponentials(const T* __restrict x, T* __restrict e, i64 n, T top) const {
    if (temperature == T(1)) return sum_of<T>(n, TERM { return e[i] = exp_of(x[i] - top); });
    const T by = temperature;
    return sum_of<T>(n, TERM { return e[i] = exp_of((x[i] - top) / by); });
  }

  // t of a block's classes, but for sparse labels.
  static INLINE const T* spread(const T* __restrict x, const T* __restrict y, const T* __restrict weight, T share, T rest, T* __restrict t,
                                i64 n) {
    for (i64 i = 0; i < n; ++i) t[i] = select(x[i] > MASKED<T>, (y[i] * share + rest) * weight[i], T(0));
    return t;
  }

  // Σ t·(x − top)/temperature, where 0 times −inf is 0.
  INLINE double weighed(const T* __restrict t, const T* __restrict x, T top, i64 n) const {
    if (temperature == T(1)) return sum_of<T>(n, TERM { return select(t[i] != 0, t[i] * (x[i] - top), T(0)); });
    const T by = temperature;
    return sum_of<T>(n, TERM { return select(t[i] != 0, t[i] * ((x[i] - top) / by), T(0)); });
  }

  // How many labels a row has, or their sum; one of weight 0 is none.
  INLINE double counted(i64 row, const T* __restrict x, const T* __restrict y, bool number) const {
    double found = 0;
    if (b.targets) {
      for (i64 at = 0; at < b.classes; at += BLOCK) {
        const i64 n = b.classes - at < BLOCK ? b.classes - at : BLOCK;
        const T *xs = x + at, *ys = y + at;
        found += number ? sum_of<T>(n, TERM { return select((xs[i] > MASKED<T>) & (ys[i] != 0), T(1), T(0)); })
                        : sum_of<T>(n, TERM { return select(xs[i] > MASKED<T>, ys[i], T(0)); });
      }
      return found;
    }
    for (i64 at = b.offsets[row]; at < b.offsets[row + 1]; ++at) {
      const double label = b.label_weight(row, at);
      found += !number ? label : label != 0 ? 1 : 0;
    }
    return found;
  }

  // What one sparse label adds to the t of its class.
  INLINE double named(i64 row, i64 at, double share) const {
    return b.label_weight(row, at) * share * (b.class_weight ? double(b.class_weight[b.labels[at]]) : 1.0);
  }
};

// ---- losses of an element, or of a row of them ------------------------------------------------------------------------------------------

// σ(x), 1 − σ(x), log(1 + e^−x), log(1 + e^x), none of them by subtraction from 1.
template <class T> struct Logistic {
  T sigma, q, minus_log_sigma, minus_log_q;
  INLINE explicit Logistic(T x) {
    const T e = exp_of<true>(-std::fabs(x)), larger = T(1) / (T(1) + e), smaller = e * larger, more = log1p_of(e);
    const auto negative = sign_of(x);
    sigma = either(negative, smaller, larger);
    q = either(negative, larger, smaller);
    minus_log_sigma = either(negative, -x, T(0)) + more;
    minus_log_q = either(negative, T(0), x) + more;
  }
};

template <class T> struct BinaryCrossEntropy {
  T smoothing;
  INLINE void operator()(T x, T target, T pos_weight, T& loss, T& grad) const {
    const Logistic<T> l(x);
    const T y = target * (T(1) - smoothing) + smoothing / T(2), positive = y * pos_weight;
    loss = positive * l.minus_log_sigma + (T(1) - y) * l.minus_log_q;
    grad = (T(1) - y) * l.sigma - positive * l.q;
  }
};

template <class T, class Power> struct Focal {
  T gamma, alpha_pos, alpha_neg;
  Power power;
  INLINE void operator()(T x, T y, T pos_weight, T& loss, T& grad) const {
    const Logistic<T> l(x);
    const T rest = T(1) - y, u = y * l.q + rest * l.sigma, entropy = y * pos_weight * l.minus_log_sigma + rest * l.minus_log_q;
    const T weight = (y * alpha_pos + rest * alpha_neg) * power.of(u);
    const T slope = gamma * (T(1) - T(2) * y) * (l.sigma * l.q / select(u > 0, u, T(1)));  // bounded, where u^(γ−1) is not for γ < 1
    loss = weight * entropy;
    grad = weight * (slope * entropy + rest * l.sigma - y * pos_weight * l.q);
  }
};

template <class T> struct GeometricFocal {
  T gamma, alpha_pos, alpha_neg;
  INLINE void operator()(T x, T y, T pos_weight, T& loss, T& grad) const {
    const Logistic<T> l(x);
    const T rest = T(1) - y, entropy = y * pos_weight * l.minus_log_sigma + rest * l.minus_log_q;
    const T weight = (y * alpha_pos + rest * alpha_neg) * exp_of(-gamma * (y * l.minus_log_q + rest * l.minus_log_sigma));
    loss = weight * entropy;
    grad = weight * (gamma * (rest * l.q - y * l.sigma) * entropy + rest * l.sigma - y * pos_weight * l.q);
  }
};

template <class T, class Power> struct Asymmetric {
  T gamma_neg, gamma_pos, clip, floor;
  T focused;  // 1, or 0 where the gradient takes the focusing weights as constants
  Power power_neg, power_pos;
  INLINE void operator()(T x, T target, T pos_weight, T& loss, T& grad) const {
    const Logistic<T> l(x);
    const T y = target * pos_weight, log_pos = select(-l.minus_log_sigma > floor, -l.minus_log_sigma, floor);
    const T slope_pos = T(-l.minus_log_sigma > floor), weight_pos = power_pos.of(l.q);
    const T m = select(l.sigma > clip, l.sigma - clip, T(0)), rest = l.q + clip;  // 1 − m wherever m > 0, without cancellation
    const T log_small = log1p_of(-select(m < T(0.5), m, T(0)));
    const T log_rest = select(clip == 0, -l.minus_log_q, select(m < T(0.5), log_small, T(log_of(double(rest)))));
    const T log_neg = select(log_rest > floor, log_rest, floor), slope_neg = T(log_rest > floor), weight_neg = power_neg.of(m);
    const T inner_pos = l.q * slope_pos - focused * gamma_pos * l.sigma * log_pos;
    const T ratio = select(m > 0, log_neg / select(m > 0, m, T(1)), T(-1));
    const T inner_neg = select(clip == 0, slope_neg, slope_neg * (l.q / rest)) - focused * gamma_neg * l.q * ratio;
    loss = -(y * weight_pos * log_pos) - (T(1) - target) * weight_neg * log_neg;
    grad = (T(1) - target) * select(m > 0, weight_neg * l.sigma * inner_neg, T(0)) - y * weight_pos * inner_pos;
  }
};

template <class T, class Formula> struct Elements {
  Batch<T> b;
  Formula formula;
  bool of_rows;  // the loss of a row is the mean of its elements'

  INLINE void operator()(i64 row, const Scratch<T>& scratch) const {
    const i64 classes = b.classes, start = row * classes;
    const T *x = masked_scores(b, row, scratch.x), *y = dense_labels(b, row, scratch.y);
    const double unit = of_rows ? 1.0 / double(classes) : 1.0;
    const bool each = b.grad_output && !b.one_grad_output && !of_rows;
    const bool direct = !each && !b.class_weight && !b.element_weight && (of_rows || !b.loss);
    const T weight = T(b.weight(row));
    const T scale = each ? T(double(weight) / b.divisor) : T(double(b.scale(row)) * unit);
    T loss[BLOCK], grad[BLOCK];
    double total = 0;
    for (i64 at = 0; at < classes; at += BLOCK) {
      const i64 n = classes - at < BLOCK ? classes - at : BLOCK;
      const T *xs = x + at, *ys = y + at, *pos_weight = b.pos_weight ? b.pos_weight + at : scratch.ones;
      if (direct) {
        total += in_one_pass(xs, ys, pos_weight, b.grad ? b.grad + start + at : grad, scale, n);
        continue;
      }
      apply(xs, ys, pos_weight, loss, grad, n);
      if (b.class_weight) times(loss, b.class_weight + at, n), times(grad, b.class_weight + at, n);
      if (b.element_weight) times(loss, b.element_weight + start + at, n), times(grad, b.element_weight + start + at, n);
      if (b.loss && !of_rows) {
        T* __restrict out = b.loss + start + at;
        for (i64 i = 0; i < n; ++i) out[i] = loss[i] * weight;
      } else {
        total += sum(loss, n);
      }
      if (!b.grad) continue;
      if (each) times(grad, b.grad_output + start + at, n);
      T* __restrict out = b.grad + start + at;
      for (i64 i = 0; i < n; ++i) out[i] = grad[i] * scale;
    }
    if (of_rows || !b.loss) row_loss(b, row, total * unit);
    forget(b, row, scratch.y);
  }

  // Loss and gradient of one element; both 0 where it is masked, whatever came out of its −inf.
  static INLINE void element(const Formula& f, T x, T y, T pos_weight, T& loss, T& grad) {
    const bool here = x > MASKED<T>;
    f(x, y, pos_weight, loss, grad);
    loss = select(here, loss, T(0));
    grad = select(here, grad, T(0));
  }

  INLINE void apply(const T* __restrict x, const T* __restrict y, const T* __restrict pos_weight, T* __restrict loss, T* __restrict grad,
                    i64 n) const {
    const Formula f = formula;
    for (i64 i = 0; i < n; ++i) element(f, x[i], y[i], pos_weight[i], loss[i], grad[i]);
  }

  INLINE double in_one_pass(const T* __restrict x, const T* __restrict y, const T* __restrict pos_weight, T* __restrict grad, T scale,
                            i64 n) const {
    const Formula f = formula;
    return sum_of<T>(n, TERM {
      T loss, slope;
      element(f, x[i], y[i], pos_weight[i], loss, slope);
      grad[i] = slope * scale;
      return loss;
    });
  }
};

// ---- ZLPR -------------------------------------------------------------------------------------------------------------------------------

// log(1 + Σ w(1−y)·e^x) + log(1 + Σ w·y·e^−x); a term of weight 0 is not there.
template <class T> struct Zlpr {
  Batch<T> b;

  INLINE void operator()(i64 row, const Scratch<T>& scratch) const {
    const i64 classes = b.classes;
    const T *x = masked_scores(b, row, scratch.x), *y = dense_labels(b, row, scratch.y);
    T* grad = b.grad ? b.grad + row * classes : nullptr;
    T pos[BLOCK], neg[BLOCK];
    T top_pos = 0, top_neg = 0;
    for (i64 at = 0; at < classes; at += BLOCK) {
      const i64 n = classes - at < BLOCK ? classes - at : BLOCK;
      const T* weight = b.class_weight ? b.class_weight + at : scratch.ones;
      for (i64 i = 0; i < n; ++i) {
        pos[i] = positive(x[at + i], y[at + i], weight[i]) > 0 ? -x[at + i] : MASKED<T>;
        neg[i] = negative(x[at + i], y[at + i], weight[i]) > 0 ? x[at + i] : MASKED<T>;
      }
      const T p = largest(pos, n), q = largest(neg, n);
      top_pos = p > top_pos ? p : top_pos;
      top_neg = q > top_neg ? q : top_neg;
    }
    double total_pos = 0, total_neg = 0;
    for (i64 at = 0; at < classes; at += BLOCK) {
      const i64 n = classes - at < BLOCK ? classes - at : BLOCK;
      const T* weight = b.class_weight ? b.class_weight + at : scratch.ones;
      T* __restrict e_pos = grad ? scratch.more + at : pos;
      T* __restrict e_neg = grad ? grad + at : neg;
      for (i64 i = 0; i < n; ++i) {
        const T p = positive(x[at + i], y[at + i], weight[i]), q = negative(x[at + i], y[at + i], weight[i]);
        e_pos[i] = p * exp_of(p > 0 ? -x[at + i] - top_pos : MASKED<T>);
        e_neg[i] = q * exp_of(q > 0 ? x[at + i] - top_neg : MASKED<T>);
      }
      total_pos += sum(e_pos, n);
      total_neg += sum(e_neg, n);
    }
    row_loss(b, row, softplus(std::log(total_neg) + double(top_neg)) + softplus(std::log(total_pos) + double(top_pos)));
    if (grad) {
      const double scale = double(b.scale(row));
      const T of_pos = T(scale / (total_pos + std::exp(-double(top_pos)))), of_neg = T(scale / (total_neg + std::exp(-double(top_neg))));
      const T* __restrict e_pos = scratch.more;
      T* __restrict g = grad;
      for (i64 i = 0; i < classes; ++i) g[i] = g[i] * of_neg - e_pos[i] * of_pos;
    }
    forget(b, row, scratch.y);
  }

  static INLINE T positive(T x, T y, T weight) { return x > MASKED<T> ? y * weight : T(0); }
  static INLINE T negative(T x, T y, T weight) { return x > MASKED<T> ? (T(1) - y) * weight : T(0); }
  static double softplus(double x) { return (x > 0 ? x : 0) + std::log1p(std::exp(-std::fabs(x))); }
};

// ---- what may be read -------------------------------------------------------------------------------------------------------------------

// Null if every label can be looked up, or what is wrong.
inline const char* wrong_labels(const i64* labels, i64 count, const i64* offsets, i64 rows, i64 classes) {
  if (offsets[0] != 0 || offsets[rows] != count) return "offsets must rise from 0 to the number of labels";
  for (i64 row = 0; row < rows; ++row)
    if (offsets[row + 1] < offsets[row]) return "offsets must rise from 0 to the number of labels";
  for (i64 at = 0; at < count; ++at)
    if (labels[at] < 0 || labels[at] >= classes) return "a label is out of range";
  return nullptr;
}

// ---- the same rows for each kind of machine ---------------------------------------------------------------------------------------------

enum Machine { ANY, AVX2, AVX512 };

#define FOR_ROWS(name, attributes)                                                                     \
  template <class T, class Body> attributes void name(const Body& body, i64 begin, i64 end, T* zeros) { \
    const Scratch<T> scratch(zeros, body.b.classes);                                                   \
    for (i64 row = begin; row < end; ++row) body(row, scratch);                                        \
  }
FOR_ROWS(for_rows_any, )
#if defined(__x86_64__) && defined(__GNUC__)
FOR_ROWS(for_rows_avx2, __attribute__((target("avx2,fma"))))
FOR_ROWS(for_rows_avx512, __attribute__((target("avx512f,avx512dq,avx512bw,avx512vl,fma,prefer-vector-width=512"))))
#endif

template <class T, class Body> void for_rows(Machine machine, const Body& body, i64 begin, i64 end, T* zeros) {
#if defined(__x86_64__) && defined(__GNUC__)
  if (machine == AVX512) return for_rows_avx512<T>(body, begin, end, zeros);
  if (machine == AVX2) return for_rows_avx2<T>(body, begin, end, zeros);
#endif
  for_rows_any<T>(body, begin, end, zeros);
}

}  // namespace gradwire
