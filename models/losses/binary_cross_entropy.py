"""Binary cross-entropy of independent sigmoids, from the scores (the logits)."""

from typing import Annotated

from annotated_types import Interval

from models.contract import About, Value
from models.stable import logistic, softplus
from models.tensor import Number, Tensor

ABOUT = About(
    aliases=("bce", "BCEWithLogitsLoss", "SigmoidCrossEntropyLoss"),
    unit="element",
    targets="real",
    mean_over="elements",
    latex=r"w_+\,y\,\log(1+e^{-x})+(1-y)\log(1+e^{x})",
    use="The ordinary choice where classes are independent questions, and probabilities are wanted that mean what they say.",
    formula="pos_weight·y·softplus(−x) + (1−y)·softplus(x), y ← y(1−ε) + ε/2",
    gradient="(1−y)·σ − pos_weight·y·(1−σ)",
    paper="Cox, 1958, The regression analysis of binary sequences, J. R. Stat. Soc. B 20",
)


def binary_cross_entropy(
    scores: Tensor,
    targets: Tensor,
    pos_weight: Number = 1.0,
    *,
    label_smoothing: Annotated[float, Interval(ge=0, le=1)] = 0.0,
) -> Value:
    """scores, targets [N, C], pos_weight [C] or a number -> loss [N, C] in nats, grad [N, C]."""
    y = targets * (1.0 - label_smoothing) + label_smoothing / 2.0
    loss = y * pos_weight * softplus(-scores) + (1.0 - y) * softplus(scores)

    def grad() -> Tensor:
        sigma, q = logistic(scores)
        return (1.0 - y) * sigma - y * pos_weight * q

    return Value(loss, grad)
