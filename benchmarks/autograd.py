"""A process that computes the loss and its gradient for itself, as who has no service: dense targets, F.cross_entropy, backward.

One JSON order a line in, {"scores": file, "targets": file, "shape", "threads", "seconds", "least", "keep": file}; one answer a line out.
"""

import json
import sys
import time
from typing import Any

import numpy as np
import torch
from torch.nn.functional import cross_entropy


def carried_out(order: dict[str, Any]) -> dict[str, Any]:
    """Seconds of each loss with its gradient; the gradient is new each time, as it is in a training loop that sets it to None."""
    torch.set_num_threads(order["threads"])
    rows, classes = order["shape"]
    scores = torch.from_numpy(np.fromfile(order["scores"], np.float32).reshape(rows, classes)).requires_grad_()
    targets = torch.from_numpy(np.fromfile(order["targets"], np.float32).reshape(rows, classes))
    took: list[float] = []
    began_all = time.perf_counter()
    while time.perf_counter() < began_all + order["seconds"] or len(took) < order["least"] + 1:
        scores.grad = None
        began = time.perf_counter()
        torch.autograd.backward(cross_entropy(scores, targets))
        took.append(time.perf_counter() - began)
    if order.get("keep") and scores.grad is not None:
        scores.grad.numpy().tofile(order["keep"])
    return {"took": took[1:], "stages": {}, "refused": 0, "status": 200, "began": 0.0, "ended": sum(took[1:])}


if __name__ == "__main__":
    for line in sys.stdin:
        print(json.dumps(carried_out(json.loads(line))), flush=True)
