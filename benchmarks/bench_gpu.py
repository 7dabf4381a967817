"""On a GPU: `python -m benchmarks.bench_gpu` times the equations beside a copy in the device's memory, autograd, and the way to and fro.

`kernel` is the loss and gradient by the equations on tensors that are on the device, `graph` the same recorded once as a CUDA graph and
replayed, `autograd` the loss of torch.nn.functional and its backward, `copy` the scores copied once within the device. `there` and `back`
are transfers of the scores and of the gradient, from and to memory as it comes and pinned; `whole` is a job from the host to the host, as
the service runs it, and `on the cpu` the same by the fused kernel. Every answer is checked first; without a GPU this says so and ends.
"""

import time
from collections.abc import Callable
from typing import Any, cast

import numpy as np
import torch

from benchmarks.bench_kernel import AUTOGRAD, CORE, POSITIVES, SHAPES, Case, agree
from benchmarks.report import Row, begin, finish, parser, table
from models.kernel import evaluate
from models.plan import plan
from models.runtimes.pytorch import PyTorch
from models.tensor import Tensor

DEVICE = "cuda"
WAYS = ("kernel", "graph", "autograd", "copy", "there", "there, pinned", "back", "back, pinned", "whole", "on the cpu")
COLUMNS = {each: each for each in ("loss", "labels", "shape", *WAYS)} | {"copies": "kernel ÷ copy"}


def median_us(run: Callable[[], Any], seconds: float) -> float:
    """Microseconds by the wall, from a device that is idle until it is again."""
    run()
    torch.cuda.synchronize()
    times, end = [], time.perf_counter() + seconds
    while time.perf_counter() < end or len(times) < 5:
        began = time.perf_counter()
        run()
        torch.cuda.synchronize()
        times.append(time.perf_counter() - began)
    return float(np.median(times)) * 1e6


def recorded(run: Callable[[], Any]) -> Callable[[], Any]:
    """The same as a CUDA graph: launched at once, on the same memory."""
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(3):
            run()
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        run()
    return graph.replay


def measured(case: Case, seconds: float) -> Row:
    """One loss over one batch."""
    gpu, cpu = PyTorch(DEVICE), PyTorch()
    expected = cpu.run(case.job)
    found = gpu.run(case.job)
    agree(case, "on the GPU", (found.loss, found.grad), (expected.loss, expected.grad))
    shape, arrays = plan(case.job)
    tensors = {name: cast(Tensor, gpu.to_device(array)) for name, array in arrays.items()}

    def kernel() -> Any:
        with torch.inference_mode():
            return evaluate(shape, case.job.params, tensors)

    scores, pinned = case.scores.to(DEVICE), case.scores.pin_memory()
    other, back = torch.empty_like(scores), torch.empty_like(case.scores).pin_memory()
    runs: dict[str, Callable[[], Any]] = {
        "kernel": kernel,
        "graph": recorded(kernel),
        "copy": lambda: other.copy_(scores),
        "there": lambda: case.scores.to(DEVICE),
        "there, pinned": lambda: pinned.to(DEVICE, non_blocking=True),
        "back": scores.cpu,
        "back, pinned": lambda: back.copy_(scores, non_blocking=True),
        "whole": lambda: gpu.run(case.job),
        "on the cpu": lambda: cpu.run(case.job),
    }
    if case.name in AUTOGRAD:
        x, labels = scores.clone().requires_grad_(), case.targets.to(DEVICE) / (POSITIVES if case.name == CORE[0] else 1)
        runs["autograd"] = lambda: torch.autograd.grad(AUTOGRAD[case.name](x, labels), x)
    us = {what: median_us(run, seconds) for what, run in runs.items()}
    about: Row = {"loss": case.name, "labels": case.form, "shape": "×".join(map(str, case.shape))}
    return about | us | {"copies": us["kernel"] / us["copy"], "device": torch.cuda.get_device_name()}


def main() -> None:
    """Every core loss over every shape, where there is a GPU."""
    options = parser(__doc__)
    options.add_argument("--only", default=",".join(CORE), help="losses, with commas between")
    options.add_argument("--seconds", type=float, default=0.2, help="for each way of each of them")
    chosen = options.parse_args()
    about = begin("The equations on a GPU: float32, microseconds")
    if not torch.cuda.is_available():
        print(f"not measured: PyTorch {torch.__version__} finds no GPU here")
        return
    shapes = [(8, 64)] if chosen.quick else SHAPES
    forms = [(name, form) for name in chosen.only.split(",") for form in ("sparse", "dense") if form == "dense" or name == CORE[0]]
    rows = [measured(Case(name, form, *shape), 0.01 if chosen.quick else chosen.seconds) for name, form in forms for shape in shapes]
    table(rows, COLUMNS)
    finish("gpu", about, rows, chosen.out)


if __name__ == "__main__":
    main()
