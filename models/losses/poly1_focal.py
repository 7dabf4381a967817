"""Poly-1 focal loss (Leng et al., 2022, arXiv:2204.12511, sec. 5): focal loss whose first polynomial coefficient is ε larger."""

from typing import Annotated

from annotated_types import Ge, Interval

from models.contract import About, Value
from models.stable import logistic, softplus
from models.tensor import Number, Tensor

ABOUT = About(
    aliases=("poly_focal",),
    unit="element",
    targets="unit",
    mean_over="elements",
    latex=r"u^{\gamma}(a\,\mathrm{BCE}+\varepsilon\,u)",
    use="Focal loss with the same number more.",
    formula="u^γ·(a·BCE + ε·m), u = y(1−σ) + (1−y)σ, a = αy + (1−α)(1−y), m = u with pos_weight: pos_weight·y(1−σ) + (1−y)σ",
    gradient="γ·u^(γ−1)·(1−2y)·σ(1−σ)·(a·BCE + ε·m) + u^γ·((1−y)·σ·(a + ε(1−σ)) − pos_weight·y·(1−σ)·(a + ε·σ))",
    paper="arXiv:2204.12511",
)
TERMS = (1.0 / 13.0, 1.0 / 11.0, 1.0 / 9.0, 1.0 / 7.0, 1.0 / 5.0, 1.0 / 3.0)


def poly1_focal(
    scores: Tensor,
    targets: Tensor,
    pos_weight: Number = 1.0,
    *,
    epsilon: float = 1.0,
    gamma: Annotated[float, Ge(0)] = 2.0,
    alpha: Annotated[float, Interval(ge=0, le=1)] | None = 0.25,
) -> Value:
    """scores, targets [N, C], pos_weight [C] or a number -> loss [N, C] in nats, grad [N, C]; α, as in the paper, leaves ε alone.

    a·BCE + ε·m is computed as a·(BCE − m) + (a + ε)·m, which keeps its digits where a + ε is 0 and u is small.
    """
    sigma, q = logistic(scores)
    positive, negative = targets * pos_weight, 1.0 - targets
    a: Number = 1.0 if alpha is None else targets * alpha + negative * (1.0 - alpha)
    u = targets * q + negative * sigma
    rest = positive * beyond_first(-scores, q) + negative * beyond_first(scores, sigma)
    inner = a * rest + (a + epsilon) * (positive * q + negative * sigma)
    modulator = u**gamma

    def grad() -> Tensor:
        slope = gamma * (1.0 - 2.0 * targets) * (sigma * q / u.where(u > 0.0, 1.0))
        right = scores > 0.0
        up = (a + epsilon * q).where(right, (a + epsilon) - epsilon * sigma)  # equal, but each the exact one on its side
        down = ((a + epsilon) - epsilon * q).where(right, a + epsilon * sigma)
        return modulator * (slope * inner + negative * sigma * up - positive * q * down)

    return Value(modulator * inner, grad)


def beyond_first(x: Tensor, sigma: Tensor) -> Tensor:
    """−log(1 − σ(x)) − σ(x) = σ²/2 + σ³/3 + …, which a subtraction would lose where σ is small.

    There σ = 2z/(1 + z) for z = e^x/(2 + e^x), and the logarithm is 2·artanh z.
    """
    e = (-x.abs()).exp()
    z = e / (2.0 + e)
    square = z * z
    series: Number = 1.0 / 15.0
    for term in TERMS:
        series = series * square + term
    return (2.0 * square * (1.0 / (1.0 + z) + z * series)).where(x < -2.0, softplus(x) - sigma)
