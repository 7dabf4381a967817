// The rows of the fused kernel alone, for a sanitizer: every buffer has just the size that is allowed, and lies off a vector's boundary.
//
// Ragged and empty rows, one class and many, masks, huge scores, every option; each kind of processor that this machine is, in pieces and
// in one go, must give the same bytes. Exits 1 where one does not. `scripts/check-native` builds and runs it.
#include <algorithm>
#include <cstdio>
#include <cstring>
#include <memory>
#include <random>
#include <vector>

#include "rows.h"

using namespace gradwire;

int failures = 0;
#define CHECK(condition, ...)                                                                      \
  if (!(condition) && ++failures <= 20) std::printf("line %d: %s: ", __LINE__, #condition), std::printf(__VA_ARGS__), std::puts("")

std::mt19937_64 source(0);
double uniform() { return double(source() >> 11) / 9007199254740992.0; }
bool chance(double p) { return uniform() < p; }

// n numbers at the end of a block of its own, one number off its beginning.
template <class T> struct Buffer {
  std::unique_ptr<T[]> memory;
  std::size_t n;
  explicit Buffer(std::size_t n) : memory(new T[n + 1]), n(n) {}
  T* data() { return memory.get() + 1; }
  template <class Make> Buffer& fill(Make make) { for (std::size_t i = 0; i < n; ++i) data()[i] = make(); return *this; }
};

template <class T> T score() {
  const double edges[] = {0, 1e-3, 20, 88.5, 104, 746, 1e4, 3e38};
  const double x = chance(0.2) ? edges[source() % 8] : 8 * uniform();
  return chance(0.05) ? MASKED<T> : T(chance(0.5) ? x : -x);
}

std::vector<Machine> machines() {
  std::vector<Machine> found{ANY};
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) found.push_back(AVX2);
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512bw") &&
      __builtin_cpu_supports("avx512vl"))
    found.push_back(AVX512);
#endif
  return found;
}

template <class T> struct Result {
  Buffer<T> loss, grad;
  Buffer<double> totals;
};

template <class T, class Body> void rows(Machine machine, const Body& body, i64 begin, i64 end) {
  Buffer<T> zeros(Scratch<T>::size(body.b.classes));
  zeros.fill([] { return T(0); });
  for_rows<T>(machine, body, begin, end, zeros.data());
}

template <class T, class Make> void check(const char* what, Batch<T> b, bool elements, Make make) {
  for (const bool reduced : {true, false}) {
    for (const Machine machine : machines()) {
      std::vector<Result<T>> found;
      for (const i64 piece : {b.rows, i64(1)}) {
        Result<T> r{Buffer<T>(reduced ? 0 : elements ? b.rows * b.classes : b.rows), Buffer<T>(b.rows * b.classes), Buffer<double>(b.rows)};
        r.totals.fill([] { return 0.0; });
        b.loss = reduced ? nullptr : r.loss.data();
        b.totals = r.totals.data();
        b.grad = chance(0.9) || !found.empty() ? r.grad.data() : nullptr;
        for (i64 row = 0; row < b.rows; row += piece) rows<T>(machine, make(b), row, std::min(row + piece, b.rows));
        if (b.grad) found.push_back(std::move(r));
      }
      if (found.size() < 2) continue;
      auto equal = [](auto& one, auto& other) { return !std::memcmp(one.data(), other.data(), one.n * sizeof(*one.data())); };
      CHECK(equal(found[0].loss, found[1].loss) && equal(found[0].grad, found[1].grad) && equal(found[0].totals, found[1].totals),
            "%s of %zu bytes, %ld × %ld, machine %d", what, sizeof(T), long(b.rows), long(b.classes), machine);
      for (std::size_t i = 0; i < found[0].grad.n; ++i) {
        if (b.scores[i] == MASKED<T>) CHECK(found[0].grad.data()[i] == 0, "%s: a masked class has a gradient", what);
      }
    }
  }
}

template <class T> void batch(i64 n, i64 classes) {
  const std::size_t size = n * classes;
  const auto weight = [] { return T(3 * uniform()); };
  Buffer<T> scores(size), targets(size), class_weight(classes), pos_weight(classes), sample_weight(n), element_weight(size);
  Buffer<T> upstream(size), row_upstream(n), one(1);
  Buffer<std::uint8_t> mask(size);
  scores.fill(score<T>);
  targets.fill([] { return T(chance(0.5) ? 0 : chance(0.5) ? 1 : uniform()); });
  for (std::size_t i = 0; i < size; ++i) targets.data()[i] = scores.data()[i] == MASKED<T> ? T(0) : targets.data()[i];
  mask.fill([] { return std::uint8_t(chance(0.9) ? 1 + source() % 2 : 0); });
  for (auto* each : {&class_weight, &pos_weight, &sample_weight, &element_weight, &upstream, &row_upstream, &one}) each->fill(weight);

  std::vector<i64> chosen, ends{0};
  for (i64 row = 0; row < n; ++row) {
    for (i64 label = 0; label < classes; ++label)
      if (chance(row % 3 == 0 ? 0 : 0.2) && scores.data()[row * classes + label] != MASKED<T>) chosen.push_back(label);
    ends.push_back(i64(chosen.size()));
  }
  Buffer<i64> labels(chosen.size()), offsets(ends.size());
  std::copy(chosen.begin(), chosen.end(), labels.data());
  std::copy(ends.begin(), ends.end(), offsets.data());
  Buffer<T> label_weights(chosen.size());
  label_weights.fill(weight);
  CHECK(!wrong_labels(labels.data(), i64(labels.n), offsets.data(), n, classes), "refused");

  for (int sparse = 0; sparse < 2; ++sparse) {
    for (int time = 0; time < 3; ++time) {
      Batch<T> b{n, classes, scores.data()};
      if (sparse) b.labels = labels.data(), b.offsets = offsets.data(), b.label_weights = chance(0.5) ? label_weights.data() : nullptr;
      else b.targets = targets.data();
      if (time && chance(0.5)) b.mask = mask.data();
      if (time && chance(0.5)) b.class_weight = class_weight.data();
      if (time && chance(0.5)) b.sample_weight = sample_weight.data();
      b.divisor = time ? 7 : 1;
      b.one_grad_output = chance(0.5);
      if (time) b.grad_output = b.one_grad_output ? one.data() : row_upstream.data();
      for (const Normalize normalize : {COUNT, SUM, NONE})
        for (const double smoothing : {0.0, 0.3})
          check("softmax", b, false, [&](const Batch<T>& each) { return Softmax<T>{each, normalize, smoothing, T(time == 1 ? 0.5 : 1)}; });
      check("zlpr", b, false, [](const Batch<T>& each) { return Zlpr<T>{each}; });
      check("soft margin", b, false, [](const Batch<T>& each) { return Elements<T, BinaryCrossEntropy<T>>{each, {T(0)}, true}; });
      if (time && !b.one_grad_output) b.grad_output = upstream.data();
      if (time && chance(0.5)) b.pos_weight = pos_weight.data();
      if (time && chance(0.5)) b.element_weight = element_weight.data();
      check("binary", b, true, [](const Batch<T>& each) { return Elements<T, BinaryCrossEntropy<T>>{each, {T(0.1)}, false}; });
      check("focal", b, true, [](const Batch<T>& each) {
        return Elements<T, Focal<T, WholePower<T>>>{each, {T(2), T(0.25), T(0.75), WholePower<T>(2)}, false};
      });
      check("focal, any γ", b, true, [](const Batch<T>& each) {
        return Elements<T, Focal<T, AnyPower<T>>>{each, {T(0.5), T(0.25), T(0.75), AnyPower<T>(0.5)}, false};
      });
      check("geometric focal", b, true, [](const Batch<T>& each) {
        return Elements<T, GeometricFocal<T>>{each, {T(2), T(0.25), T(0.75)}, false};
      });
      check("asymmetric", b, true, [](const Batch<T>& each) {
        return Elements<T, Asymmetric<T, WholePower<T>>>{
            each, {T(4), T(1), T(0.05), T(-18), T(1), WholePower<T>(4), WholePower<T>(1)}, false};
      });
      check("asymmetric, any γ", b, true, [](const Batch<T>& each) {
        return Elements<T, Asymmetric<T, AnyPower<T>>>{
            each, {T(2.5), T(0.5), T(0), MASKED<T>, T(0), AnyPower<T>(2.5), AnyPower<T>(0.5)}, false};
      });
    }
  }
}

void labels_that_would_read_elsewhere() {
  constexpr i64 least = std::numeric_limits<i64>::min(), most = std::numeric_limits<i64>::max();
  const i64 offsets[] = {0, 2, 2, 3};
  for (const i64 wrong : {i64(-1), i64(5), least, most}) {
    const i64 labels[] = {0, 4, wrong}, starts[] = {wrong, 2, 2, 3}, ends[] = {0, 2, 2, wrong}, between[] = {0, wrong, 2, 3};
    const i64 fine[] = {0, 4, 1};
    CHECK(wrong_labels(labels, 3, offsets, 3, 5), "label %ld", long(wrong));
    for (const auto& each : {starts, ends, between}) CHECK(wrong_labels(fine, 3, each, 3, 5), "offset %ld", long(wrong));
  }
  CHECK(!wrong_labels(nullptr, 0, std::vector<i64>(4, 0).data(), 3, 5), "no labels at all");
}

// The bounds that rows.h states, against the C library in twice the precision.
template <class T> double ulps(T found, long double truth) {
  const T size = std::fabs(T(truth));
  return double(std::fabs((long double)(found) - truth) / (long double)(std::nextafter(size, std::numeric_limits<T>::infinity()) - size));
}

// exp and log1p of n numbers by each kind of processor: with fused multiply-add and without.
#define FUNCTIONS(name, attributes)                                                                             \
  template <class T> attributes void name(const T* x, const T* u, T* plain, T* gradual, T* log, std::size_t n) { \
    for (std::size_t i = 0; i < n; ++i) plain[i] = exp_of(x[i]), gradual[i] = exp_of<true>(x[i]), log[i] = log1p_of(u[i]); \
  }
FUNCTIONS(functions_any, )
#if defined(__x86_64__)
FUNCTIONS(functions_avx2, __attribute__((target("avx2,fma"))))
FUNCTIONS(functions_avx512, __attribute__((target("avx512f,avx512dq,avx512bw,avx512vl,fma,prefer-vector-width=512"))))
#endif
template <class T> void functions(Machine machine, const T* x, const T* u, T* plain, T* gradual, T* log, std::size_t n) {
#if defined(__x86_64__)
  if (machine == AVX512) return functions_avx512(x, u, plain, gradual, log, n);
  if (machine == AVX2) return functions_avx2(x, u, plain, gradual, log, n);
#endif
  functions_any(x, u, plain, gradual, log, n);
}

// `normal`: the x of the smallest normal number; `least`: of the smallest number at all.
template <class T> void digits(double normal, double least) {
  constexpr std::size_t n = 300000;
  constexpr T nan = std::numeric_limits<T>::quiet_NaN();
  std::vector<T> x(n), u(n), plain(n), gradual(n), log(n);
  for (std::size_t i = 0; i < n; ++i) {
    x[i] = T(-(i % 4 ? normal : least) * uniform() * (i % 3 ? 1 : 1e-2));
    u[i] = T(std::pow(uniform(), i % 2 ? 1 : 20) * (i % 3 ? 1 : -0.5));
  }
  const T edges[] = {0, -T(0), MASKED<T>, T(-1e4), std::numeric_limits<T>::lowest(), T(-1.01 * least), nan, -nan};
  std::copy(std::begin(edges), std::end(edges), x.begin());
  u[0] = 0, u[1] = 1;
  for (const Machine machine : machines()) {
    functions(machine, x.data(), u.data(), plain.data(), gradual.data(), log.data(), n);
    double worst_plain = 0, worst_gradual = 0, worst_log = 0;
    for (std::size_t i = std::size(edges); i < n; ++i) {
      const long double truth = std::exp((long double)(x[i]));
      if (x[i] >= T(-normal)) worst_plain = std::max(worst_plain, ulps(plain[i], truth));
      else CHECK(plain[i] == 0 || ulps(plain[i], truth) <= 1, "e^%g is %g", double(x[i]), double(plain[i]));
      worst_gradual = std::max(worst_gradual, ulps(gradual[i], truth));
      worst_log = std::max(worst_log, ulps(log[i], std::log1p((long double)(u[i]))));
    }
    CHECK(worst_plain <= 1.2, "exp is %.3f ulp off, machine %d", worst_plain, machine);
    CHECK(worst_gradual <= 1.2, "exp, to the last denormal, is %.3f ulp off, machine %d", worst_gradual, machine);
    CHECK(worst_log <= 2.0, "log1p is %.3f ulp off, machine %d", worst_log, machine);
    for (const auto& e : {plain, gradual}) {
      CHECK(e[0] == 1 && e[1] == 1, "e^0");
      CHECK(e[2] == 0 && e[3] == 0 && e[4] == 0 && e[5] == 0, "e^x for an x too small");
      CHECK(std::isnan(e[6]) && std::isnan(e[7]), "e^NaN");
    }
    CHECK(log[0] == 0 && log[1] == T(std::log(2.0)), "ends of log1p");
  }
}

int main() {
  labels_that_would_read_elsewhere();
  digits<float>(87.33, 103.9);
  digits<double>(708.39, 745.1);
  for (const i64 rows : {1, 2, 7})
    for (const i64 classes : {1, 2, 3, 15, 31, 32, 33, 64, 511, 512, 513, 1061}) batch<float>(rows, classes), batch<double>(rows, classes);
  batch<float>(2, 70001);
  std::printf("%s, on %zu kinds of processor\n", failures ? "FAILED" : "every row stays within its memory", machines().size());
  return failures ? 1 : 0;
}
