"""What one batch costs in process: `python -m benchmarks.bench_kernel [--quick]` checks every answer first, then times it.

Ours is `torch.ops.gradwire.loss_and_grad` into a buffer that is used again; `equations` the same loss by PyTorch's own operations;
`autograd` what a caller has today, the loss of torch.nn.functional and its backward; `memcpy` the scores copied once, the floor.
Medians; only ratios within one run mean something.
Prints a JSON object a row, and a table for people.
"""

import json
import platform
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch.nn import functional

from models.catalogue import find
from models.contract import Job
from models.labels import Labels
from models.runtimes import native
from models.runtimes.pytorch import PyTorch

SHAPES = [(1, 1000), (32, 1000), (256, 1000), (256, 10_000), (1024, 17_000)]
POSITIVES = 5
BUDGET_S, LEAST, MOST = 1.0, 5, 200
Run = Callable[[], Any]


def batch(rows: int, classes: int) -> tuple[torch.Tensor, torch.Tensor, Labels]:
    """Scores, dense targets of 5 positives a row, and the same as class indices."""
    random = np.random.default_rng(0)
    scores = random.normal(0, 3, (rows, classes)).astype(np.float32)
    indices = np.concatenate([np.sort(random.choice(classes, POSITIVES, replace=False)) for _ in range(rows)])
    labels = Labels(indices=indices.astype(np.int64), offsets=np.arange(rows + 1) * POSITIVES)
    targets = np.zeros_like(scores)
    targets[np.repeat(np.arange(rows), POSITIVES), indices] = 1
    return torch.from_numpy(scores), torch.from_numpy(targets), labels


AUTOGRAD: dict[str, Callable[[torch.Tensor, torch.Tensor], torch.Tensor]] = {
    "softmax_cross_entropy": lambda x, targets: functional.cross_entropy(x, targets),
    "binary_cross_entropy": functional.binary_cross_entropy_with_logits,
}


def by_autograd(name: str, scores: torch.Tensor, targets: torch.Tensor) -> Run:
    """The mean loss of torch.nn.functional, and its gradient by autograd."""
    x = scores.clone().requires_grad_()
    labels = targets / POSITIVES if name == "softmax_cross_entropy" else targets

    def run() -> tuple[torch.Tensor, torch.Tensor]:
        loss = AUTOGRAD[name](x, labels)
        return loss.detach(), torch.autograd.grad(loss, x)[0]

    return run


def fused(name: str, form: str, scores: torch.Tensor, targets: torch.Tensor, labels: Labels) -> Run:
    """The operator itself, as the runtime calls it."""
    loss = find(name)
    params = native.FUSED[name](loss.parameters({}, "float32"))
    given = (
        {"targets": targets}
        if form == "dense"
        else {"labels": torch.from_numpy(labels.indices), "offsets": torch.from_numpy(labels.offsets)}
    )
    divisor = float(scores.shape[0] if loss.about.mean_over == "rows" else scores.numel())
    out = {"loss": torch.empty(()), "grad": torch.empty_like(scores)}
    return lambda: torch.ops.gradwire.loss_and_grad.out(name, params, scores, **given, reduced=True, divisor=divisor, **out)


def equations(name: str, form: str, scores: torch.Tensor, targets: torch.Tensor, labels: Labels) -> Run:
    """The runtime without its kernel; the job is built beforehand."""
    given: dict[str, Any] = {"targets": targets.numpy()} if form == "dense" else {"labels": labels}
    job, runtime = Job(loss=find(name), scores=scores.numpy(), **given), PyTorch(fused=False)

    def run() -> tuple[torch.Tensor, torch.Tensor]:
        loss, grad = runtime.by_equations(job)
        return torch.as_tensor(loss), torch.as_tensor(grad)

    return run


def median_us(run: Run, threads: int) -> float:
    """Microseconds: of the processor with one thread, which neighbours disturb least; by the wall with several."""
    clock = time.process_time_ns if threads == 1 else time.perf_counter_ns
    run()
    times: list[int] = []
    begun = time.perf_counter()
    while (time.perf_counter() - begun < BUDGET_S and len(times) < MOST) or len(times) < LEAST:
        start = clock()
        run()
        times.append(clock() - start)
    return float(np.median(times) / 1e3)


def agree(name: str, one: Any, other: Any) -> None:
    """A wrong answer has no speed."""
    scale = float(other[1].abs().max())
    torch.testing.assert_close(one[0], other[0], rtol=1e-5, atol=1e-7, msg=lambda text: f"loss of {name}: {text}")
    torch.testing.assert_close(one[1] / scale, other[1] / scale, rtol=1e-5, atol=1e-5, msg=lambda text: f"gradient of {name}: {text}")


def row(name: str, form: str, rows: int, classes: int) -> dict[str, Run]:
    """What is timed side by side, after its answers agreed."""
    scores, targets, labels = batch(rows, classes)
    runs = {"fused": fused(name, form, scores, targets, labels), "equations": equations(name, form, scores, targets, labels)}
    agree(name, runs["fused"](), runs["equations"]())
    if name in AUTOGRAD:
        runs["autograd"] = by_autograd(name, scores, targets)
        agree(name, runs["fused"](), runs["autograd"]())
    copy = torch.empty_like(scores)
    return runs | {"memcpy": lambda: copy.copy_(scores)}


def line(us: dict[str, float]) -> str:
    """A row of the table: microseconds, how many times faster than autograd, and how many copies it takes."""
    faster = us["autograd"] / us["fused"] if "autograd" in us else float("nan")
    numbers = (us["fused"], us["equations"], us.get("autograd", float("nan")), us["memcpy"])
    return "".join(f"{each:>10.0f}" for each in numbers) + f"{faster:>12.1f}{us['fused'] / us['memcpy']:>10.1f}"


def main() -> int:
    """Check and time every loss that the kernel has, in every shape, with one thread and with two."""
    if (missing := native.missing()) is not None:
        print(f"no fused kernel: {missing}", file=sys.stderr)
        return 1
    quick = "--quick" in sys.argv
    cases = [("softmax_cross_entropy", "sparse"), *((name, "dense") for name in native.FUSED)]
    print(f"{platform.machine()}, {torch.backends.cpu.get_cpu_capability()}, torch {torch.__version__}; microseconds, float32")
    headings = "".join(f"{each:>10}" for each in ("fused", "equations", "autograd", "memcpy"))
    print(f"{'loss':<24}{'labels':<8}{'shape':>12}{'threads':>8}{headings}{'× autograd':>12}{'÷ memcpy':>10}")
    for name, form in cases[:3] if quick else cases:
        for rows, classes in SHAPES[1:4] if quick else SHAPES:
            runs = row(name, form, rows, classes)
            for threads in (1,) if quick else (1, 2):
                torch.set_num_threads(threads)
                us = {key: median_us(run, threads) for key, run in runs.items()}
                print(f"{name:<24}{form:<8}{f'{rows}×{classes}':>12}{threads:>8}{line(us)}", flush=True)
                print(
                    json.dumps({"loss": name, "labels": form, "rows": rows, "classes": classes, "threads": threads, **us}), file=sys.stderr
                )
    return 0


if __name__ == "__main__":
    sys.exit(main())
