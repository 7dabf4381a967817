"""The PyTorch autograd function of the article this project descends from, written anew from its description.

What it is: softmax cross-entropy over several labels a row, each worth 1/k (Mahajan et al., 2018, arXiv:1805.00932), as
a `torch.autograd.Function` with its backward by hand: (p - t)/N, which is right because 1/k taken k times makes T = 1.

What is wrong with it: softmax is e^x / Σ e^x literally, without the row's maximum taken out. In float32 e^89 is already
infinite, and loss and gradient become inf or NaN.

Why it is kept: as the documented comparison. Ours must equal it wherever it is finite, and be finite and right where it
is not.
"""

from typing import Any

import torch
from torch import Tensor


class MultiLabelSoftmax(torch.autograd.Function):
    """scores, targets [N, C] -> scalar: the mean over rows of -Σ t log p, t = 1/k at every label that is not 0."""

    @staticmethod
    def forward(ctx: Any, scores: Tensor, targets: Tensor) -> Tensor:
        positive = (targets != 0).to(scores.dtype)
        t = positive / positive.sum(1, keepdim=True)
        powers = scores.exp()  # the flaw: nothing keeps this from overflowing
        p = powers / powers.sum(1, keepdim=True)
        ctx.save_for_backward(p, t)
        return -(t * p.log()).sum(1).mean()

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor, None]:
        p, t = ctx.saved_tensors
        return grad_outputs[0] * (p - t) / len(p), None


def loss_and_grad(scores: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """scores, targets [N, C] -> the function's loss, and the gradient that its backward hands to the scores."""
    leaf = scores.clone().requires_grad_()
    loss: Tensor = MultiLabelSoftmax.apply(leaf, targets)  # type: ignore[no-untyped-call]  # torch leaves it untyped
    (grad,) = torch.autograd.grad(loss, leaf)
    return loss.detach(), grad
