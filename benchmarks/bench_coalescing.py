"""What merging small jobs would save: `python -m benchmarks.bench_coalescing` runs them one by one, as the service does, and as one.

Merging is what a service would do with jobs that wait at the same time: lay them one behind another, call the fused kernel once, and give
each its part of the result. Jobs have the sum as reduction, so that one call can serve all; gradients are the same to the bit. What it
would cost beside (a queue, waking each request again) is not in it.
"""

import itertools
from collections.abc import Sequence

import numpy as np
import torch

from benchmarks.batches import batch
from benchmarks.report import Row, begin, finish, parser, table, timed
from models.catalogue import find
from models.contract import Job, Result
from models.labels import Labels
from models.runtimes import native
from models.runtimes.pytorch import PyTorch

CLASSES = 1000
COLUMNS = {"rows": "rows a job", "jobs": "jobs", "alone_us": "alone, µs a job", "merged_us": "merged, µs a job", "saved_us": "saved"}


def jobs_of(rows: int, count: int) -> list[Job]:
    """Different jobs of one shape."""
    given, loss = batch(rows, CLASSES), find("softmax_cross_entropy")
    labels = Labels(indices=given.indices, offsets=given.offsets)
    return [Job(loss=loss, scores=given.scores + np.float32(i), labels=labels, reduction="sum") for i in range(count)]


def merged(jobs: Sequence[Job]) -> list[Result]:
    """One call of the kernel for all of them."""
    labels = [job.labels for job in jobs if job.labels is not None]
    ends = np.cumsum([0, *(len(each.indices) for each in labels)])
    offsets = np.concatenate([[0], *(each.offsets[1:] + end for each, end in zip(labels, ends[:-1], strict=True))])
    scores = torch.from_numpy(np.concatenate([job.scores for job in jobs]))
    given = {"labels": torch.from_numpy(np.concatenate([each.indices for each in labels])), "offsets": torch.from_numpy(offsets)}
    params = native.FUSED["softmax_cross_entropy"](jobs[0].params)
    loss, grad = scores.new_empty(len(scores)), torch.empty_like(scores)
    torch.ops.gradwire.loss_and_grad.out(jobs[0].loss.name, params, scores, **given, reduced=False, wants_grad=True, loss=loss, grad=grad)
    losses, grads = loss.numpy(), grad.numpy()
    ends = np.cumsum([0, *(len(job.scores) for job in jobs)])
    return [Result(loss=losses[a:b].sum(), grad=grads[a:b]) for a, b in itertools.pairwise(ends)]


def measured(runtime: PyTorch, rows: int, count: int, seconds: float) -> Row:
    """One number of jobs of one size."""
    jobs = jobs_of(rows, count)
    for one, other in zip(map(runtime.run, jobs), merged(jobs), strict=True):
        assert one.grad is not None and other.grad is not None and np.array_equal(one.grad, other.grad)  # noqa: PT018
        assert np.allclose(one.loss, other.loss)
    alone, together = timed([lambda: [runtime.run(job) for job in jobs], lambda: merged(jobs)], seconds)
    alone_us, merged_us = (float(np.median(each)) * 1e6 / count for each in (alone, together))
    return {"rows": rows, "jobs": count, "alone_us": alone_us, "merged_us": merged_us, "saved_us": alone_us - merged_us}


def main() -> None:
    """Small jobs, few and many."""
    options = parser(__doc__)
    options.add_argument("--seconds", type=float, default=0.5, help="for each")
    chosen = options.parse_args()
    if chosen.quick:
        chosen.seconds = 0.01
    about = begin("Small jobs, one by one and merged")
    runtime = PyTorch()
    if not runtime.fused:
        print(f"not measured: {runtime.computes_by}")
        return
    rows = [measured(runtime, each, count, chosen.seconds) for each in (1, 8, 32) for count in (2, 8, 32)]
    table(rows, COLUMNS)
    finish("coalescing", about, rows, chosen.out)


if __name__ == "__main__":
    main()
