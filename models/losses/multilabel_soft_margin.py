"""Multi-label soft margin: binary cross-entropy averaged over the classes of a row, as torch.nn.MultiLabelSoftMarginLoss defines it."""

import math

from models.contract import About, Value
from models.stable import logistic, softplus
from models.tensor import Tensor

ABOUT = About(
    aliases=("MultiLabelSoftMarginLoss",),
    unit="row",
    targets="real",
    mean_over="rows",
    latex=r"\frac1C\sum_c w_c\,\bigl(y_c\log(1+e^{-x_c})+(1-y_c)\log(1+e^{x_c})\bigr)",
    use="Binary cross-entropy averaged over the classes of a row, as torch.nn.MultiLabelSoftMarginLoss.",
    formula="(1/C)·Σ w·(y·softplus(−x) + (1−y)·softplus(x))",
    gradient="w·((1−y)·σ − y·(1−σ)) / C",
    paper="Cox, 1958, The regression analysis of binary sequences, J. R. Stat. Soc. B 20",
)


def multilabel_soft_margin(scores: Tensor, targets: Tensor, class_weight: Tensor | None = None) -> Value:
    """scores, targets [N, C], class_weight [C] -> loss [N] in nats, grad [N, C]."""
    here = (scores > -math.inf).type_as(scores) / scores.shape[1]
    weight = here if class_weight is None else here * class_weight
    x = scores.where(scores > -math.inf, 0.0)
    loss = weight * (targets * softplus(-x) + (1.0 - targets) * softplus(x))

    def grad() -> Tensor:
        sigma, q = logistic(x)
        return weight * ((1.0 - targets) * sigma - targets * q)

    return Value(loss.sum(1), grad)
