"""The same losses as differentiable torch float64 code, so that autograd, not a formula, gives their gradients.

Written from the equations of the design's table of core losses, apart from exact.py and built differently: from log σ
and log-sum-exp, whole batches at once, masked classes filled instead of taken out. Scores should stay within about ±30.
Every function: scores, targets [N, C], class_weight [C], pos_weight [C] or number (element losses), mask [N, C] of 0/1
-> unreduced loss, [N] for the row losses and [N, C] for the element losses.
"""

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F  # noqa: N812 - its usual name
from torch import Tensor


def present(scores: Tensor, mask: Tensor | None) -> Tensor:
    """[N, C] of booleans: what is neither masked nor a score of -inf."""
    finite = scores.detach() > -math.inf
    return finite if mask is None else finite & mask.bool()


def ones_unless(weight: Tensor | float | None, scores: Tensor) -> Tensor:
    """A weight of one class each, 1 where none was given."""
    return torch.as_tensor(1.0 if weight is None else weight, dtype=scores.dtype)


def refuse(pos_weight: Tensor | float | None) -> None:
    """Row losses have no positive term that a weight could multiply."""
    if pos_weight is not None:
        raise ValueError("pos_weight belongs to element losses")


def elementwise(loss: Callable[[Tensor], Tensor], scores: Tensor, keep: Tensor, weight: Tensor) -> Tensor:
    """loss(scores) times its class weight, 0 with gradient 0 where masked: the fill keeps -inf out of the graph."""
    return torch.where(keep, weight * loss(torch.where(keep, scores, 0.0)), 0.0)


def cross_entropy(x: Tensor, y: Tensor, pos_weight: Tensor) -> Tensor:
    """-pos_weight y log σ(x) - (1-y) log σ(-x)."""
    return -pos_weight * y * F.logsigmoid(x) - (1 - y) * F.logsigmoid(-x)


def shares(targets: Tensor, normalize: str) -> Tensor:
    """t [N, C] from y [N, C]; a row without labels stays 0."""
    if normalize == "none":
        return targets
    total = targets.sum(1, keepdim=True) if normalize == "sum" else targets.count_nonzero(1).unsqueeze(1)
    return targets / torch.where(total == 0, 1, total)


def softmax_cross_entropy(
    scores: Tensor,
    targets: Tensor,
    *,
    class_weight: Tensor | None = None,
    pos_weight: Tensor | float | None = None,
    mask: Tensor | None = None,
    normalize: str = "count",
    label_smoothing: float = 0.0,
    temperature: float = 1.0,
) -> Tensor:
    """-Σ w t log softmax(x/temperature) -> [N] (Mahajan et al., 2018, arXiv:1805.00932, sec. 2)."""
    refuse(pos_weight)
    keep = present(scores, mask)
    targets = torch.where(keep, targets, 0.0)
    smoothed = shares(targets, normalize) * (1 - label_smoothing) + label_smoothing / scores.shape[1]
    t = torch.where(keep & targets.any(1, keepdim=True), smoothed, 0.0) * ones_unless(class_weight, scores)
    # log_softmax of a row that is all -inf is NaN, so a wholly masked row keeps finite scores; its t is 0
    absent = torch.where(keep.any(1, keepdim=True), -math.inf, 0.0)
    log_p = F.log_softmax(torch.where(keep, scores / temperature, absent), dim=1)
    return -(t * torch.where(keep, log_p, 0.0)).sum(1)


def binary_cross_entropy(
    scores: Tensor,
    targets: Tensor,
    *,
    class_weight: Tensor | None = None,
    pos_weight: Tensor | float | None = None,
    mask: Tensor | None = None,
    label_smoothing: float = 0.0,
) -> Tensor:
    """Cross-entropy of each label with its own sigmoid, label y(1-ε) + ε/2 -> [N, C]."""
    y, positive = torch.lerp(targets, torch.full_like(targets, 0.5), label_smoothing), ones_unless(pos_weight, scores)

    def loss(x: Tensor) -> Tensor:
        return cross_entropy(x, y, positive)

    return elementwise(loss, scores, present(scores, mask), ones_unless(class_weight, scores))


def focal(
    scores: Tensor,
    targets: Tensor,
    *,
    class_weight: Tensor | None = None,
    pos_weight: Tensor | float | None = None,
    mask: Tensor | None = None,
    gamma: float = 2.0,
    alpha: float | None = 0.25,
    soft: str = "arithmetic",
) -> Tensor:
    """a u^γ BCE -> [N, C] (Lin et al., 2017, arXiv:1708.02002, eq. 5), for labels between 0 and 1."""
    y, positive = targets, ones_unless(pos_weight, scores)
    balance = torch.ones_like(y) if alpha is None else (1 - alpha) + (2 * alpha - 1) * y

    def loss(x: Tensor) -> Tensor:
        log_q, log_p = F.logsigmoid(-x), F.logsigmoid(x)
        arithmetic = torch.logaddexp(y.log() + log_q, (1 - y).log() + log_p)
        log_u = y * log_q + (1 - y) * log_p if soft == "geometric" else arithmetic
        return balance * (gamma * log_u).exp() * cross_entropy(x, y, positive)

    return elementwise(loss, scores, present(scores, mask), ones_unless(class_weight, scores))


def asymmetric(
    scores: Tensor,
    targets: Tensor,
    *,
    class_weight: Tensor | None = None,
    pos_weight: Tensor | float | None = None,
    mask: Tensor | None = None,
    gamma_neg: float = 4.0,
    gamma_pos: float = 1.0,
    clip: float = 0.05,
    eps: float = 1e-8,
    detach_weight: bool = False,
) -> Tensor:
    """-y q^γ₊ log σ - (1-y) m^γ₋ log(1-m), m = max(σ - clip, 0) -> [N, C] (Ridnik et al., 2021, arXiv:2009.14119)."""
    y, positive, floor = targets, ones_unless(pos_weight, scores), math.log(eps) if eps else -math.inf

    def loss(x: Tensor) -> Tensor:
        log_sigma, log_q = F.logsigmoid(x), F.logsigmoid(-x)
        excess = log_sigma.exp() - clip
        beyond = excess > 0
        m = torch.where(beyond, excess, 1.0)  # 1 is a stand-in: a power of 0 has no derivative when γ₋ < 1
        log_rest = torch.where(beyond, (log_q.exp() + clip).log() if clip else log_q, 0.0)
        pull, push = (gamma_pos * log_q).exp(), torch.where(beyond, m**gamma_neg, 0.0**gamma_neg)
        if detach_weight:
            pull, push = pull.detach(), push.detach()
        return -positive * y * pull * floored(log_sigma, floor) - (1 - y) * push * floored(log_rest, floor)

    return elementwise(loss, scores, present(scores, mask), ones_unless(class_weight, scores))


def floored(log_value: Tensor, floor: float) -> Tensor:
    """max(log_value, floor); where the two are equal the derivative is 0 (torch.clamp would pass it on)."""
    return torch.where(log_value > floor, log_value, floor)


def zlpr(
    scores: Tensor,
    targets: Tensor,
    *,
    class_weight: Tensor | None = None,
    pos_weight: Tensor | float | None = None,
    mask: Tensor | None = None,
) -> Tensor:
    """log(1 + Σ_N e^x) + log(1 + Σ_P e^-x) -> [N] (Su et al., 2022, arXiv:2208.02955), labels between 0 and 1."""
    refuse(pos_weight)
    keep, weight = present(scores, mask), ones_unless(class_weight, scores)
    x = torch.where(keep, scores, 0.0)
    terms = [(x, (1 - targets) * weight), (-x, targets * weight)]
    logs = [torch.where(keep, value + share.log(), -math.inf) for value, share in terms]
    one = torch.zeros_like(x[:, :1])  # the 1 of log(1 + Σ) is e^0
    negatives, positives = (torch.logsumexp(torch.cat([one, log_terms], dim=1), dim=1) for log_terms in logs)
    return negatives + positives


def multilabel_soft_margin(
    scores: Tensor,
    targets: Tensor,
    *,
    class_weight: Tensor | None = None,
    pos_weight: Tensor | float | None = None,
    mask: Tensor | None = None,
) -> Tensor:
    """Binary cross-entropy averaged over the C columns -> [N]."""
    refuse(pos_weight)
    return binary_cross_entropy(scores, targets, class_weight=class_weight, mask=mask).mean(1)


def multilabel_margin(
    scores: Tensor,
    targets: Tensor,
    *,
    class_weight: Tensor | None = None,
    pos_weight: Tensor | float | None = None,
    mask: Tensor | None = None,
) -> Tensor:
    """(1/C) Σ_{j in P, i not in P} w_j max(0, 1 - x_j + x_i) -> [N]; relu's derivative at 0 is 0, as here."""
    refuse(pos_weight)
    keep, label = present(scores, mask), targets != 0
    x = torch.where(keep, scores, 0.0)
    pairs = (label & keep).unsqueeze(2) & (~label & keep).unsqueeze(1)  # [N, j, i]
    hinges = torch.relu(1 - x.unsqueeze(2) + x.unsqueeze(1)) * pairs
    return (hinges.sum(2) * ones_unless(class_weight, scores)).mean(1)


REFERENCES: dict[str, Callable[..., Tensor]] = {
    loss.__name__: loss
    for loss in (
        softmax_cross_entropy,
        binary_cross_entropy,
        focal,
        asymmetric,
        zlpr,
        multilabel_soft_margin,
        multilabel_margin,
    )
}


# torch's own functions, for the arguments where they mean the same.


def cross_entropy_of_index(scores: Tensor, targets: Tensor, *, class_weight: Tensor | None = None, label_smoothing: float = 0.0) -> Tensor:
    """F.cross_entropy by class index: softmax_cross_entropy, any `normalize`, where every row has one label, of 1."""
    labels = targets.argmax(1)
    return F.cross_entropy(scores, labels, weight=class_weight, label_smoothing=label_smoothing, reduction="none")


def cross_entropy_of_probabilities(
    scores: Tensor, targets: Tensor, *, class_weight: Tensor | None = None, label_smoothing: float = 0.0
) -> Tensor:
    """F.cross_entropy by class probabilities: softmax_cross_entropy with normalize "none", every row having a label."""
    return F.cross_entropy(scores, targets, weight=class_weight, label_smoothing=label_smoothing, reduction="none")


def torch_binary_cross_entropy(
    scores: Tensor, targets: Tensor, *, class_weight: Tensor | None = None, pos_weight: Tensor | None = None
) -> Tensor:
    """F.binary_cross_entropy_with_logits; pos_weight must be a tensor."""
    return F.binary_cross_entropy_with_logits(scores, targets, weight=class_weight, pos_weight=pos_weight, reduction="none")


def torch_multilabel_soft_margin(scores: Tensor, targets: Tensor, *, class_weight: Tensor | None = None) -> Tensor:
    """F.multilabel_soft_margin_loss."""
    return F.multilabel_soft_margin_loss(scores, targets, weight=class_weight, reduction="none")


def torch_multilabel_margin(scores: Tensor, targets: Tensor) -> Tensor:
    """F.multilabel_margin_loss, which wants each row's labels as indices, then -1."""
    columns = torch.arange(scores.shape[1]).expand_as(targets)
    labels = torch.where(targets != 0, columns, -1).sort(1, descending=True).values
    return F.multilabel_margin_loss(scores, labels, reduction="none")


TORCH: dict[str, Callable[..., Tensor]] = {
    "softmax_cross_entropy": cross_entropy_of_probabilities,
    "binary_cross_entropy": torch_binary_cross_entropy,
    "multilabel_soft_margin": torch_multilabel_soft_margin,
    "multilabel_margin": torch_multilabel_margin,
}
