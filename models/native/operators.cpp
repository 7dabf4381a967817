// torch.ops.gradwire.loss_and_grad: a loss and its gradient in one pass over the rows, on the CPU.
//
// What comes from Python was checked there; whatever could make the rows read or write where they must not is checked again here.
#include <ATen/MemoryOverlap.h>
#include <ATen/Parallel.h>
#include <ATen/Version.h>
#include <ATen/ops/empty.h>
#include <torch/library.h>

#include <cstdlib>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "rows.h"

namespace gradwire {
namespace {

using at::Tensor;
using Optional = const std::optional<Tensor>&;

constexpr i64 WORTH_A_THREAD = 1 << 15;  // elements: waking another one for fewer takes longer than they do

Machine machine() {
  static const std::string found = at::get_cpu_capability();  // ATEN_CPU_CAPABILITY=default|avx2|avx512 lowers it
  static const bool vectors = found == "AVX2" || found == "AVX512" || found == "AVX512_VNNI";
  return !vectors ? ANY : found == "AVX2" ? AVX2 : AVX512;
}

// Contiguous, aligned, of this shape and dtype: memory that may be read as T[].
template <class T> const T* read(Optional given, at::IntArrayRef shape, const char* name, std::vector<Tensor>& held) {
  if (!given.has_value()) return nullptr;
  TORCH_CHECK_VALUE(given->sizes() == shape, name, " has shape ", given->sizes(), "; expected ", shape);
  TORCH_CHECK_TYPE(given->scalar_type() == c10::CppTypeToScalarType<T>::value, name, " has dtype ", given->scalar_type());
  TORCH_CHECK_VALUE(given->device().is_cpu(), name, " is not in the memory of the CPU");
  Tensor plain = given->contiguous();
  if (reinterpret_cast<std::uintptr_t>(plain.const_data_ptr()) % alignof(T) != 0) plain = plain.clone();
  held.push_back(plain);
  return plain.const_data_ptr<T>();
}

void writable(const Tensor& out, at::IntArrayRef shape, const Tensor& like, const char* name) {
  TORCH_CHECK_VALUE(out.sizes() == shape, name, " has shape ", out.sizes(), "; expected ", shape);
  TORCH_CHECK_TYPE(out.scalar_type() == like.scalar_type(), name, " has dtype ", out.scalar_type());
  TORCH_CHECK_VALUE(out.device().is_cpu() && out.is_contiguous(), name, " must be contiguous memory of the CPU");
  TORCH_CHECK_VALUE(reinterpret_cast<std::uintptr_t>(out.const_data_ptr()) % like.element_size() == 0, name, " is not aligned");
}

// Every row, by as many threads as it is worth; a total adds up rows in their order, whoever computed them.
template <class T, class Body> void compute(const Body& body, T* total, double divisor) {
  const auto& b = body.b;
  const i64 grain = std::max<i64>(1, WORTH_A_THREAD / b.classes);
  at::parallel_for(0, b.rows, grain, [&](i64 begin, i64 end) {
    const std::unique_ptr<T, decltype(&std::free)> zeros(static_cast<T*>(std::calloc(Scratch<T>::size(b.classes), sizeof(T))), std::free);
    TORCH_CHECK(zeros, "can't allocate memory for a row of ", b.classes);
    for_rows<T>(machine(), body, begin, end, zeros.get());
  });
  if (!total) return;
  double sum = 0;
  for (i64 row = 0; row < b.rows; ++row) sum += b.totals[row];
  *total = T(sum / divisor);
}

double at(at::ArrayRef<double> params, std::size_t i, std::size_t count, c10::string_view name) {
  TORCH_CHECK_VALUE(params.size() == count, name, " takes ", count, " parameters; found ", params.size());
  return params[i];
}

template <class T, template <class> class Power> void focal(const Batch<T>& b, at::ArrayRef<double> p, T* total) {
  compute<T>(Elements<T, Focal<T, Power<T>>>{b, {T(p[0]), T(p[1]), T(p[2]), Power<T>(p[0])}, false}, total, b.divisor);
}

template <class T, template <class> class Power> void asymmetric(const Batch<T>& b, at::ArrayRef<double> p, T* total) {
  const Asymmetric<T, Power<T>> formula{T(p[0]), T(p[1]), T(p[2]), T(std::log(p[3])), T(p[4]), Power<T>(p[0]), Power<T>(p[1])};
  compute<T>(Elements<T, Asymmetric<T, Power<T>>>{b, formula, false}, total, b.divisor);
}

// The losses by name, with their parameters as models/runtimes/native.py lists them.
template <class T> void choose(c10::string_view name, at::ArrayRef<double> p, const Batch<T>& b, T* total) {
  if (name == "softmax_cross_entropy") {
    const double normalize = at(p, 0, 3, name);
    TORCH_CHECK_VALUE(normalize == int(COUNT) || normalize == int(SUM) || normalize == int(NONE), "no normalize ", normalize);
    compute<T>(Softmax<T>{b, Normalize(int(normalize)), p[1], T(p[2])}, total, b.divisor);
  } else if (name == "binary_cross_entropy") {
    compute<T>(Elements<T, BinaryCrossEntropy<T>>{b, {T(at(p, 0, 1, name))}, false}, total, b.divisor);
  } else if (name == "multilabel_soft_margin") {
    compute<T>(Elements<T, BinaryCrossEntropy<T>>{b, {T(0)}, true}, total, b.divisor);
  } else if (name == "focal") {
    if (at(p, 3, 4, name) != 0)
      compute<T>(Elements<T, GeometricFocal<T>>{b, {T(p[0]), T(p[1]), T(p[2])}, false}, total, b.divisor);
    else
      WholePower<T>::covers(p[0]) ? focal<T, WholePower>(b, p, total) : focal<T, AnyPower>(b, p, total);
  } else if (name == "asymmetric") {
    const bool whole = WholePower<T>::covers(at(p, 0, 5, name)) && WholePower<T>::covers(p[1]);
    whole ? asymmetric<T, WholePower>(b, p, total) : asymmetric<T, AnyPower>(b, p, total);
  } else if (name == "zlpr") {
    compute<T>(Zlpr<T>{b}, total, b.divisor);
  } else {
    TORCH_CHECK_VALUE(false, "no fused loss named '", name, "'");
  }
}

bool of_elements(c10::string_view name) { return name == "binary_cross_entropy" || name == "focal" || name == "asymmetric"; }

std::vector<i64> loss_shape(c10::string_view name, const Tensor& scores, bool reduced) {
  if (reduced) return {};
  return of_elements(name) ? scores.sizes().vec() : std::vector<i64>{scores.size(0)};
}

struct Request {
  c10::string_view name;
  at::ArrayRef<double> params;
  const Tensor& scores;
  Optional targets, labels, offsets, label_weights, mask, class_weight, pos_weight, sample_weight, element_weight, grad_output;
  bool reduced;
  double divisor;
};

template <class T> void run(const Request& r, const Tensor& loss, const Tensor* grad) {
  const i64 rows = r.scores.size(0), classes = r.scores.size(1);
  std::vector<Tensor> held;
  Batch<T> b{rows, classes, read<T>(r.scores, {rows, classes}, "scores", held)};
  b.targets = read<T>(r.targets, {rows, classes}, "targets", held);
  TORCH_CHECK_VALUE(r.targets.has_value() != r.labels.has_value(), "either targets or labels are needed");
  TORCH_CHECK_VALUE(r.labels.has_value() == r.offsets.has_value() && (r.labels.has_value() || !r.label_weights.has_value()),
                    "labels and offsets come together");
  if (r.labels.has_value()) {
    TORCH_CHECK_VALUE(r.labels->dim() == 1, "labels is not a vector");
    b.labels = read<i64>(r.labels, {r.labels->numel()}, "labels", held);
    b.offsets = read<i64>(r.offsets, {rows + 1}, "offsets", held);
    b.label_weights = read<T>(r.label_weights, {r.labels->numel()}, "label_weights", held);
    const char* wrong = wrong_labels(b.labels, r.labels->numel(), b.offsets, rows, classes);
    TORCH_CHECK_VALUE(!wrong, wrong);
  }
  const bool elements = of_elements(r.name);
  TORCH_CHECK_VALUE(elements || (!r.pos_weight.has_value() && !r.element_weight.has_value()), r.name, " is not a loss of elements");
  b.mask = reinterpret_cast<const std::uint8_t*>(read<bool>(r.mask, {rows, classes}, "mask", held));
  b.class_weight = read<T>(r.class_weight, {classes}, "class_weight", held);
  b.pos_weight = read<T>(r.pos_weight, {classes}, "pos_weight", held);
  b.sample_weight = read<T>(r.sample_weight, {rows}, "sample_weight", held);
  b.element_weight = read<T>(r.element_weight, {rows, classes}, "element_weight", held);
  if (r.grad_output.has_value()) {
    b.one_grad_output = r.grad_output->dim() == 0;
    const std::vector<i64> shape = b.one_grad_output ? std::vector<i64>{} : loss_shape(r.name, r.scores, r.reduced);
    b.grad_output = read<T>(r.grad_output, shape, "grad_output", held);
  }
  held.push_back(loss);
  for (const Tensor& each : held) {
    if (grad) at::assert_no_overlap(*grad, each);
    if (!each.is_same(loss)) at::assert_no_overlap(loss, each);
  }
  b.divisor = r.divisor;
  std::vector<double> totals(r.reduced ? rows : 0);
  b.totals = totals.data();
  b.loss = r.reduced ? nullptr : loss.mutable_data_ptr<T>();
  b.grad = grad ? grad->mutable_data_ptr<T>() : nullptr;
  choose<T>(r.name, r.params, b, r.reduced ? loss.mutable_data_ptr<T>() : nullptr);
}

std::tuple<Tensor, Tensor> loss_and_grad_out(c10::string_view name, at::ArrayRef<double> params, const Tensor& scores, Optional targets,
                                             Optional labels, Optional offsets, Optional label_weights, Optional mask,
                                             Optional class_weight, Optional pos_weight, Optional sample_weight, Optional element_weight,
                                             Optional grad_output, bool reduced, double divisor, bool wants_grad, Tensor loss,
                                             Tensor grad) {
  TORCH_CHECK_VALUE(scores.dim() == 2 && scores.size(0) > 0 && scores.size(1) > 0, "scores has shape ", scores.sizes());
  TORCH_CHECK_TYPE(scores.scalar_type() == at::kFloat || scores.scalar_type() == at::kDouble, "scores has dtype ", scores.scalar_type());
  TORCH_CHECK_VALUE(reduced || divisor == 1, "only a sum is divided");
  writable(loss, loss_shape(name, scores, reduced), scores, "loss");
  if (wants_grad) writable(grad, scores.sizes(), scores, "grad");
  const Request request{name, params, scores, targets, labels, offsets, label_weights, mask, class_weight, pos_weight, sample_weight,
                        element_weight, grad_output, reduced, divisor};
  if (scores.scalar_type() == at::kFloat) run<float>(request, loss, wants_grad ? &grad : nullptr);
  else run<double>(request, loss, wants_grad ? &grad : nullptr);
  return {loss, grad};
}

std::tuple<Tensor, Tensor> loss_and_grad(c10::string_view name, at::ArrayRef<double> params, const Tensor& scores, Optional targets,
                                         Optional labels, Optional offsets, Optional label_weights, Optional mask, Optional class_weight,
                                         Optional pos_weight, Optional sample_weight, Optional element_weight, Optional grad_output,
                                         bool reduced, double divisor, bool wants_grad) {
  TORCH_CHECK_VALUE(scores.dim() == 2, "scores has shape ", scores.sizes());
  Tensor loss = at::empty(loss_shape(name, scores, reduced), scores.options());
  Tensor grad = at::empty(wants_grad ? scores.sizes().vec() : std::vector<i64>{0}, scores.options());
  return loss_and_grad_out(name, params, scores, targets, labels, offsets, label_weights, mask, class_weight, pos_weight, sample_weight,
                           element_weight, grad_output, reduced, divisor, wants_grad, loss, grad);
}

#define ARGUMENTS                                                                                                              \
  "str name, float[] params, Tensor scores, Tensor? targets=None, Tensor? labels=None, Tensor? offsets=None, "             \
  "Tensor? label_weights=None, Tensor? mask=None, Tensor? class_weight=None, Tensor? pos_weight=None, "                        \
  "Tensor? sample_weight=None, Tensor? element_weight=None, Tensor? grad_output=None, *, bool reduced=False, "               \
  "float divisor=1., bool wants_grad=True"

TORCH_LIBRARY(gradwire, library) {
  library.def("loss_and_grad(" ARGUMENTS ") -> (Tensor loss, Tensor grad)");
  library.def("loss_and_grad.out(" ARGUMENTS ", Tensor(a!) loss, Tensor(b!) grad) -> (Tensor(a!), Tensor(b!))");
}

TORCH_LIBRARY_IMPL(gradwire, CPU, library) {
  library.impl("loss_and_grad", loss_and_grad);
  library.impl("loss_and_grad.out", loss_and_grad_out);
}

}  // namespace
}  // namespace gradwire
