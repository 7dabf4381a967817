"""What one batch costs in process: `python -m benchmarks.bench_kernel [--only softmax_cross_entropy]`.

`fused` is `torch.ops.gradwire.loss_and_grad` into a buffer that is used again; `equations` the same loss by PyTorch's own operations, as
the service computes it without that kernel; `closed` the least of them that somebody could write by hand, `compiled` the same by
torch.compile; `onnx` the exported graph in ONNX Runtime; `autograd` what a caller has today, a loss of torch.nn.functional and its
backward; `memcpy` the scores copied once, the floor. Every answer is checked first. Medians, of the processor's time with one thread and by
the wall with two.
"""

import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from torch.nn import functional

from benchmarks.report import Row, begin, finish, parser, table
from models.catalogue import find
from models.contract import Job
from models.export import Graphs, default_folder
from models.labels import Labels
from models.plan import plan
from models.runtimes import native
from models.runtimes.onnx import OnnxRuntime, for_job
from models.runtimes.pytorch import PyTorch

SHAPES = [(1, 1000), (32, 1000), (256, 1000), (256, 10_000), (1024, 17_000)]
CORE = ("softmax_cross_entropy", "binary_cross_entropy", "focal", "asymmetric", "zlpr", "multilabel_soft_margin", "multilabel_margin")
POSITIVES = 5
LEAST, MOST = 5, 200
SLOW_S = 0.2  # what takes so long is run once more, and no oftener
WAYS = ("fused", "equations", "closed", "compiled", "onnx", "autograd", "memcpy")
COLUMNS = {each: each for each in ("loss", "labels", "shape", "threads", *WAYS)} | {
    "faster": "autograd ÷ fused",
    "copies": "fused ÷ memcpy",
}
Run = Callable[[], tuple[Any, Any]]


class Case:
    """One loss over one batch: scores, dense targets of 5 positives a row, and the same as class indices."""

    def __init__(self, name: str, form: str, rows: int, classes: int) -> None:
        random = np.random.default_rng(0)
        self.name, self.form, self.shape = name, form, (rows, classes)
        scores = random.normal(0, 3, self.shape).astype(np.float32)
        indices = np.concatenate([np.sort(random.choice(classes, POSITIVES, replace=False)) for _ in range(rows)])
        targets = np.zeros_like(scores)
        targets[np.repeat(np.arange(rows), POSITIVES), indices] = 1
        self.scores, self.targets = torch.from_numpy(scores), torch.from_numpy(targets)
        self.labels = Labels(indices=indices, offsets=np.arange(rows + 1) * POSITIVES)
        self.indices = torch.from_numpy(indices).reshape(rows, POSITIVES)
        given: dict[str, Any] = {"targets": targets} if form == "dense" else {"labels": self.labels}
        self.job = Job(loss=find(name), scores=scores, **given)

    def fused(self) -> Run:
        """The operator itself, as the runtime calls it."""
        params = native.FUSED[self.name](self.job.params)
        given = {"labels": self.indices.reshape(-1), "offsets": torch.from_numpy(self.labels.offsets)}
        given = {"targets": self.targets} if self.form == "dense" else given
        divisor = float(self.shape[0] if self.job.loss.about.mean_over == "rows" else self.scores.numel())
        out = {"loss": torch.empty(()), "grad": torch.empty_like(self.scores)}
        return lambda: torch.ops.gradwire.loss_and_grad.out(self.name, params, self.scores, **given, reduced=True, divisor=divisor, **out)

    def equations(self) -> Run:
        """The runtime without its kernel; the job is built beforehand."""
        runtime = PyTorch(fused=False)
        return lambda: runtime.by_equations(self.job)

    def onnx(self, runtime: OnnxRuntime) -> Run:
        """The graph, over arrays that are there."""
        shape, arrays = plan(self.job)
        spec, free = for_job(shape, self.job)
        session = runtime.session(spec)
        return lambda: session.run(None, arrays | free)

    def autograd(self) -> Run:
        """The mean loss of torch.nn.functional, and its gradient by autograd."""
        x, loss_of = self.scores.clone().requires_grad_(), AUTOGRAD[self.name]
        labels = self.targets / POSITIVES if self.name == "softmax_cross_entropy" else self.targets

        def run() -> tuple[torch.Tensor, torch.Tensor]:
            loss = loss_of(x, labels)
            return loss.detach(), torch.autograd.grad(loss, x)[0]

        return run

    def closed(self, function: Callable[..., Any]) -> Run:
        """Written by hand."""
        labels = self.indices if self.form == "sparse" else self.targets
        return lambda: function(self.scores, labels)


def softmax_sparse(x: torch.Tensor, labels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """-mean log p of the labels; p - 1/k at the labels."""
    log_p = functional.log_softmax(x, 1)
    each = torch.full(labels.shape, -1.0 / labels.shape[1] / x.shape[0])
    return (log_p.gather(1, labels) * each).sum(), (log_p.exp() / x.shape[0]).scatter_add(1, labels, each)


def softmax_dense(x: torch.Tensor, targets: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The same, with labels for all classes."""
    log_p, t = functional.log_softmax(x, 1), targets / targets.sum(1, keepdim=True)
    return -(t * log_p).sum() / x.shape[0], (log_p.exp() - t) / x.shape[0]


def binary(x: torch.Tensor, targets: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """σ(x) - t."""
    return functional.binary_cross_entropy_with_logits(x, targets), (torch.sigmoid(x) - targets) / x.numel()


AUTOGRAD: dict[str, Callable[[torch.Tensor, torch.Tensor], torch.Tensor]] = {
    "softmax_cross_entropy": lambda x, targets: functional.cross_entropy(x, targets),
    "binary_cross_entropy": functional.binary_cross_entropy_with_logits,
    "multilabel_soft_margin": functional.multilabel_soft_margin_loss,
}
CLOSED: dict[tuple[str, str], Callable[..., Any]] = {
    ("softmax_cross_entropy", "sparse"): softmax_sparse,
    ("softmax_cross_entropy", "dense"): softmax_dense,
    ("binary_cross_entropy", "dense"): binary,
}


def median_us(run: Run, threads: int, seconds: float) -> float:
    """Microseconds: of the processor with one thread, which neighbours disturb least; by the wall with several."""
    clock = time.process_time_ns if threads == 1 else time.perf_counter_ns
    began = time.perf_counter()
    run()
    least = 1 if time.perf_counter() - began > SLOW_S else LEAST
    times: list[int] = []
    begun = time.perf_counter()
    while (time.perf_counter() - begun < seconds and len(times) < MOST) or len(times) < least:
        start = clock()
        run()
        times.append(clock() - start)
    return float(np.median(times) / 1e3)


def agree(case: Case, what: str, one: Any, other: Any) -> None:
    """A wrong answer has no speed."""
    (loss, grad), (expected_loss, expected) = ([torch.as_tensor(each) for each in given] for given in (one, other))
    scale = float(expected.abs().max())
    about = f"{case.name}, {case.form}, {case.shape}, {what}"
    torch.testing.assert_close(loss, expected_loss, rtol=1e-5, atol=1e-7, msg=lambda text: f"loss of {about}: {text}")
    torch.testing.assert_close(grad / scale, expected / scale, rtol=1e-5, atol=1e-5, msg=lambda text: f"gradient of {about}: {text}")


class Bench:
    """Everything that is timed beside one another."""

    def __init__(self, seconds: float) -> None:
        self.seconds, self.onnx = seconds, OnnxRuntime(Graphs(default_folder()))
        self.has_kernel = native.missing() is None
        self.compiled = {key: torch.compile(function, dynamic=True) for key, function in CLOSED.items()}

    def runs(self, case: Case, threads: int) -> dict[str, Run]:
        """What there is for this loss; ONNX Runtime has the one thread that it was made with."""
        key = case.name, case.form
        runs: dict[str, Run] = {"fused": case.fused()} if self.has_kernel and case.name in native.FUSED else {}
        runs |= {"equations": case.equations()}
        if key in CLOSED:
            runs |= {"closed": case.closed(CLOSED[key]), "compiled": case.closed(self.compiled[key])}
        if threads == 1:
            runs |= {"onnx": case.onnx(self.onnx)}
        return runs | ({"autograd": case.autograd()} if case.name in AUTOGRAD else {})

    def measured(self, case: Case) -> Iterator[Row]:
        """With one thread, and with two."""
        copy = torch.empty_like(case.scores)
        for threads in (1, 2):
            torch.set_num_threads(threads)
            runs = self.runs(case, threads)
            answers = {what: run() for what, run in runs.items()}
            for what, answer in answers.items():
                agree(case, what, answer, answers["equations"])
            del answers
            us = {what: median_us(run, threads, self.seconds) for what, run in runs.items()}
            us["memcpy"] = median_us(lambda: (None, copy.copy_(case.scores)), threads, self.seconds)
            about: Row = {"loss": case.name, "labels": case.form, "shape": "×".join(map(str, case.shape)), "threads": threads}
            if "fused" in us:
                about |= {"copies": us["fused"] / us["memcpy"]} | ({"faster": us["autograd"] / us["fused"]} if "autograd" in us else {})
            yield about | us


def main() -> None:
    """Every core loss over every shape."""
    options = parser(__doc__)
    options.add_argument("--only", default=",".join(CORE), help="losses, with commas between")
    options.add_argument("--seconds", type=float, default=0.15, help="for each way to compute each of them")
    chosen = options.parse_args()
    shapes = [(1, 16), (8, 64)] if chosen.quick else SHAPES
    about = begin("The kernel, in process: float32")
    bench = Bench(0.01 if chosen.quick else chosen.seconds)
    forms = [(name, form) for name in chosen.only.split(",") for form in ("sparse", "dense") if form == "dense" or name == CORE[0]]
    rows = [row for name, form in forms for shape in shapes for row in bench.measured(Case(name, form, *shape))]
    table(rows, COLUMNS)
    finish("kernel", about, rows, chosen.out)


if __name__ == "__main__":
    main()
