"""What others compute: each peer's loss, and its gradient by its own autograd, on random batches and at the edges.

Run by test_peers.py in an environment that holds the peers and nothing of ours: `python compute.py FOLDER` leaves `cases.json`, what was
computed, and `arrays.npz`, from what and with what result. All of it in float64, except where a peer itself rounds to float32.
"""

import importlib
import importlib.metadata
import json
import os
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

os.environ |= {"KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu"}

import jax
import jax.numpy as jnp
import keras
import numpy as np
import optax
import torch
import torch.nn.functional as F  # noqa: N812 - its usual name

jax.config.update("jax_enable_x64", True)
keras.config.set_floatx("float64")
warnings.simplefilter("ignore")  # keras and torch remark on shapes that are meant


def bare(name: str) -> ModuleType:
    """An installed package without its own __init__, which would import far more than is installed here."""
    module = ModuleType(name)
    module.__path__ = [str(importlib.metadata.distribution(name.partition(".")[0]).locate_file(name.replace(".", "/")))]
    sys.modules[name] = module
    return module


bare("timm")  # the whole wants torchvision, whose published build is one for CUDA
for part in ("mmdet", "mmdet.models", "mmdet.models.losses"):
    bare(part)  # the whole wants mmcv and mmengine
registry = ModuleType("mmdet.registry")
registry.MODELS = SimpleNamespace(register_module=lambda: lambda each: each)  # type: ignore[attr-defined]
sys.modules["mmdet.registry"] = registry
timm = importlib.import_module("timm.loss")
gfocal, vfocal, kd = (importlib.import_module(f"mmdet.models.losses.{each}_loss") for each in ("gfocal", "varifocal", "kd"))

Array = np.ndarray
Formula = Callable[..., Any]
EDGES = np.array([0, 1e-3, 0.7, 4, 8, 12, 16, 20, 30, 88, 100, 745, 1e4])
SHIFTS = (0, 3, 7, 12, 18)
FOR_EVER = 1e9
FLOAT32, FLOAT64 = 1e-5, 1e-10
ROUNDED = "to float32's digits, in which it computes"
AVERAGED = "averaged over C, as it does, and to float32's digits, to which that rounds"
CASES: list[dict[str, Any]] = []
ARRAYS: dict[str, Array] = {}

COUNTS = np.array([60.0, 30.0, 10.0, 4.0, 1.0])
WEIGHTS = np.array([0.5, 2.0, 0.0, 1.0, 3.0])


def labels(kind: str, shape: tuple[int, int], seed: int) -> Array:
    """Labels of a kind, about half of them 0; those of rows that must have one do."""
    random = np.random.default_rng(seed)
    there = random.random(shape) < 0.5
    soft = np.where(there, np.where(random.random(shape) < 0.3, 1.0, random.random(shape)), 0.0)
    one = np.eye(shape[1])[random.integers(0, shape[1], shape[0])]
    return {
        "binary": there.astype(float),
        "unit": soft,
        "single": one,
        "distribution": (soft + one) / (soft + one).sum(1, keepdims=True),
        "scores": random.normal(0, 3, shape),
    }[kind]


def batches(kind: str, reach: float, columns: int) -> dict[str, tuple[Array, Array]]:
    """Scores and labels: random, at every edge that the peer reaches, on the margins' kink, and beyond the peer's reach."""
    near, far = EDGES[reach >= EDGES], EDGES[reach < EDGES]
    values, beyond = np.concatenate([near, -near[1:]]), np.concatenate([far, -far])
    edges = np.stack([np.roll(values, shift) for shift in SHIFTS[:columns]], axis=1)
    outside = np.concatenate([np.outer(beyond, axis) for axis in np.eye(columns)])
    scores = {"random": np.random.default_rng(0).normal(0, min(3, reach / 3), (12, columns)), "edges": edges, "beyond": outside}
    scores["kink"] = np.tile([1.0, 0.0, -1.0, 2.0, 0.0][:columns], (6, 1))
    return {name: (each, labels(kind, each.shape, len(name))) for name, each in scores.items() if len(each)}


def by_torch(formula: Formula, x: Array, y: Array, **besides: Array) -> tuple[Array, Array]:
    scores = torch.tensor(x, requires_grad=True)
    loss = formula(scores, torch.tensor(y), **{name: torch.tensor(each) for name, each in besides.items()})
    (grad,) = torch.autograd.grad(loss.sum(), scores)
    return loss.detach().numpy(), grad.numpy()


def by_jax(formula: Formula, x: Array, y: Array, **besides: Array) -> tuple[Array, Array]:
    def loss(scores: Any) -> Any:
        return formula(scores, jnp.asarray(y), **{name: jnp.asarray(each) for name, each in besides.items()})

    def both(scores: Any) -> tuple[Any, Any]:
        value, back = jax.vjp(loss, scores)
        return value, back(jnp.ones_like(value))[0]

    value, grad = jax.jit(both)(jnp.asarray(x))
    return np.asarray(value), np.asarray(grad)


def peer(
    loss: str,
    name: str,
    formula: Formula,
    kind: str,
    *,
    params: dict[str, Any] | None = None,
    besides: dict[str, Array] | None = None,
    note: str = "",
    reach: float = FOR_EVER,
    tolerance: float = FLOAT64,
    differs_on: tuple[str, ...] = (),
    leave_out: tuple[str, ...] = ("kink",),
    columns: int = 5,
) -> None:
    """Compute a peer's loss on every batch. `reach` is the largest score that it takes without losing what we keep."""
    made = {batch: each for batch, each in batches(kind, reach, columns).items() if batch not in leave_out}
    scores, targets = (np.concatenate(each) for each in zip(*made.values(), strict=True))
    given = {key: np.resize(each, scores.shape) if key == "mask" else each for key, each in (besides or {}).items()}
    targets = targets * given.get("mask", 1)
    ends = np.cumsum([len(x) for x, _ in made.values()])[:-1]
    parts = {key: np.split(each, ends) if key == "mask" else [each] * len(made) for key, each in given.items()}
    parts |= {"scores": np.split(scores, ends), "targets": np.split(targets, ends)}
    if name.startswith(("optax", "keras", "jax")):  # all at once, for JAX compiles every operation for every shape
        value, grad = by_jax(formula, scores, targets, **given)
        computed = list(zip(np.split(value, ends), np.split(grad, ends), strict=True))
    else:
        each_given = [{key: parts[key][i] for key in given} for i in range(len(made))]
        computed = [by_torch(formula, parts["scores"][i], parts["targets"][i], **each) for i, each in enumerate(each_given)]
    for i, batch in enumerate(made):
        ARRAYS.update({f"{len(CASES)} {key}": each[i] for key, each in parts.items()})
        ARRAYS[f"{len(CASES)} loss"], ARRAYS[f"{len(CASES)} grad"] = computed[i]
        expected = "differs" if batch == "beyond" or batch in differs_on else "agrees"
        here = {"loss": loss, "peer": name, "note": note, "params": params or {}, "besides": sorted(given)}
        CASES.append({**here, "batch": batch, "expected": expected, "tolerance": tolerance})


def index(y: Any) -> Any:
    return y.argmax(1)


def all_peers() -> None:
    softmax()
    elements()
    margins()
    others()


def softmax() -> None:
    plain = {"normalize": "none"}
    sce = "softmax_cross_entropy"
    peer(sce, "torch cross_entropy, probabilities", lambda x, y: F.cross_entropy(x, y, reduction="none"), "unit", params=plain)
    peer(
        sce,
        "torch cross_entropy, indices, weight, label_smoothing",
        lambda x, y, class_weight: F.cross_entropy(x, index(y), class_weight, label_smoothing=0.1, reduction="none"),
        "single",
        params={"label_smoothing": 0.1},
        besides={"class_weight": WEIGHTS},
    )
    peer(sce, "optax softmax_cross_entropy", optax.losses.softmax_cross_entropy, "unit", params=plain)
    peer(
        sce,
        "optax softmax_cross_entropy, where",
        lambda x, y, mask: optax.losses.softmax_cross_entropy(x, y, where=mask > 0),
        "unit",
        params=plain,
        besides={"mask": np.array([1.0, 1, 0, 1, 1, 1, 0])},
    )
    peer(
        sce,
        "keras categorical_crossentropy, label_smoothing",
        lambda x, y: keras.losses.categorical_crossentropy(y, x, from_logits=True, label_smoothing=0.2),
        "distribution",
        params={"label_smoothing": 0.2, "normalize": "none"},
    )
    peer(sce, "timm SoftTargetCrossEntropy", timm.SoftTargetCrossEntropy(), "unit", params=plain)
    poly = "poly1_cross_entropy"
    peer(
        poly,
        "optax poly_loss_cross_entropy",
        lambda x, y: optax.losses.poly_loss_cross_entropy(x, y, epsilon=1.5),
        "distribution",
        params={"epsilon": 1.5},
    )
    peer(
        poly,
        "timm PolyCrossEntropy",
        timm.PolyCrossEntropy(epsilon=-1.0, reduction="none"),
        "distribution",
        params={"epsilon": -1.0},
        tolerance=FLOAT32,
        note=ROUNDED,
    )
    peer(
        "generalized_cross_entropy",
        "keras categorical_generalized_cross_entropy",
        lambda x, y: keras.losses.CategoricalGeneralizedCrossEntropy(q=0.6, reduction=None)(index(y), keras.ops.softmax(x)),
        "single",
        params={"q": 0.6},
        reach=100,
        note="up to differences of 200: its gradient is NaN once p is 0",
    )
    peer(
        "softmax_focal",
        "keras categorical_focal_crossentropy",
        lambda x, y: keras.losses.categorical_focal_crossentropy(y, x, alpha=0.4, gamma=1.5, from_logits=True),
        "unit",
        params={"alpha": 0.4, "gamma": 1.5},
        reach=4,
        note="up to differences of 8: it clips p to 1e-7",
    )
    peer(
        "asymmetric_softmax",
        "timm AsymmetricLossSingleLabel",
        lambda x, y: timm.AsymmetricLossSingleLabel(gamma_pos=1, gamma_neg=4, eps=0.1, reduction="none")(x, index(y)),
        "single",
        params={"gamma_pos": 1.0, "gamma_neg": 4.0, "label_smoothing": 0.1},
    )
    taught = {"temperature": 4.0}
    peer(
        "distillation",
        "torch kl_div, log_target",
        lambda x, y: 16 * F.kl_div(F.log_softmax(x / 4, 1), F.log_softmax(y / 4, 1), reduction="none", log_target=True).sum(1),
        "scores",
        params=taught,
    )
    peer(
        "distillation",
        "optax kl_divergence_with_log_targets",
        lambda x, y: optax.losses.kl_divergence_with_log_targets(jax.nn.log_softmax(x), jax.nn.log_softmax(y)),
        "scores",
    )
    peer(
        "distillation",
        "keras kl_divergence",
        lambda x, y: keras.losses.kl_divergence(keras.ops.softmax(y), keras.ops.softmax(x)),
        "scores",
        reach=4,
        note="up to differences of 8: it clips both p to 1e-7",
    )
    peer(
        "distillation",
        "mmdet knowledge_distillation_kl_div_loss",
        lambda x, y: kd.knowledge_distillation_kl_div_loss(x, y, T=4, reduction="none") * x.shape[1],
        "scores",
        params=taught,
        note="times C: it averages over the classes",
    )
    peer(
        "logit_adjusted_softmax",
        "torch cross_entropy of x + τ·log π",
        lambda x, y: F.cross_entropy(x + 1.5 * torch.tensor(COUNTS).log(), index(y), reduction="none"),
        "single",
        params={"prior": COUNTS.tolist(), "tau": 1.5},
        note="composed here: none of these packages has it by name",
    )
    margin = 0.5 * (COUNTS / COUNTS.min()) ** -0.25
    peer(
        "ldam",
        "torch cross_entropy of s·(x − m·t)",
        lambda x, y: F.cross_entropy(30 * (x - y * torch.tensor(margin)), index(y), reduction="none"),
        "single",
        params={"class_counts": COUNTS.tolist()},
        note="composed here: none of these packages has it by name",
    )
    peer(
        "marginal_softmax",
        "jax logsumexp of all less that of the positives",
        lambda x, y: jax.nn.logsumexp(x, 1) - jax.nn.logsumexp(x, 1, where=y > 0),
        "distribution",
        note="composed here: none of these packages has it by name",
    )
    peer("sparsemax", "optax multiclass_sparsemax_loss", lambda x, y: optax.losses.multiclass_sparsemax_loss(x, index(y)), "single")
    peer(
        "sparsemax",
        "optax sparsemax_loss, of two classes",
        lambda x, y: optax.losses.sparsemax_loss(x[:, 0] - x[:, 1], y[:, 0]),
        "single",
        columns=2,
    )


def elements() -> None:
    bce = "binary_cross_entropy"
    peer(
        bce,
        "torch binary_cross_entropy_with_logits, weight, pos_weight",
        lambda x, y, class_weight, pos_weight: F.binary_cross_entropy_with_logits(
            x, y, class_weight, pos_weight=pos_weight, reduction="none"
        ),
        "unit",
        besides={"class_weight": WEIGHTS, "pos_weight": WEIGHTS[::-1].copy()},
    )
    peer(bce, "optax sigmoid_binary_cross_entropy", optax.losses.sigmoid_binary_cross_entropy, "unit")
    peer(
        bce,
        "keras binary_crossentropy, label_smoothing",
        lambda x, y: keras.losses.binary_crossentropy(y, x, from_logits=True, label_smoothing=0.2),
        "unit",
        params={"label_smoothing": 0.2},
        tolerance=FLOAT32,
        note=AVERAGED,
    )
    peer(
        bce,
        "timm BinaryCrossEntropy, smooth_dense",
        timm.BinaryCrossEntropy(smoothing=0.1, smooth_dense=True, reduction="none"),
        "unit",
        params={"label_smoothing": 0.1},
    )
    peer(
        "multilabel_soft_margin",
        "torch multilabel_soft_margin_loss, weight",
        lambda x, y, class_weight: F.multilabel_soft_margin_loss(x, y, class_weight, reduction="none"),
        "unit",
        besides={"class_weight": WEIGHTS},
    )
    peer(
        "focal",
        "optax sigmoid_focal_loss",
        lambda x, y: optax.losses.sigmoid_focal_loss(x, y, alpha=0.3, gamma=1.5),
        "unit",
        params={"alpha": 0.3, "gamma": 1.5},
    )
    peer(
        "focal",
        "keras binary_focal_crossentropy",
        lambda x, y: keras.losses.binary_focal_crossentropy(y, x, apply_class_balancing=True, from_logits=True),
        "unit",
        reach=12,
        tolerance=FLOAT32,
        note=f"{AVERAGED}; up to ±12: it clips σ to 1e-7",
    )
    peer(
        "focal",
        "torchvision sigmoid_focal_loss",
        torchvision_focal,
        "unit",
        note="by the formula it documents: its published build is one for CUDA",
    )
    asl = {"params": {"gamma_neg": 4.0, "gamma_pos": 1.0, "clip": 0.05, "eps": 1e-8}, "tolerance": FLOAT32}
    peer("asymmetric", "timm AsymmetricLossMultiLabel", timm.AsymmetricLossMultiLabel(reduction="none"), "binary", note=ROUNDED, **asl)
    peer(
        "asymmetric",
        "timm AsymmetricLossMultiLabel, disable_torch_grad_focal_loss",
        timm.AsymmetricLossMultiLabel(reduction="none", disable_torch_grad_focal_loss=True),
        "binary",
        note=ROUNDED,
        params={**asl["params"], "detach_weight": True},
        tolerance=FLOAT32,
    )
    peer(
        "asymmetric",
        "timm AsymmetricLossMultiLabel, soft labels",
        timm.AsymmetricLossMultiLabel(reduction="none"),
        "unit",
        note="differs: it mixes both focusing weights into one power, where ours weighs the paper's two terms",
        differs_on=("random", "edges"),
        **asl,
    )
    peer(
        "poly1_focal",
        "timm PolyBinaryCrossEntropy, alpha None",
        timm.PolyBinaryCrossEntropy(epsilon=2.0, gamma=2.0, reduction="none"),
        "unit",
        params={"epsilon": 2.0, "gamma": 2.0, "alpha": None},
        tolerance=FLOAT32,
        note=ROUNDED,
    )
    peer(
        "poly1_focal",
        "timm PolyBinaryCrossEntropy, alpha 0.25",
        timm.PolyBinaryCrossEntropy(epsilon=2.0, gamma=2.0, alpha=0.25, reduction="none"),
        "unit",
        params={"epsilon": 2.0, "gamma": 2.0, "alpha": 0.25},
        tolerance=FLOAT32,
        note="differs: its α weighs the added term too, which the paper's equation leaves alone",
        differs_on=("random", "edges"),
    )
    peer(
        "distribution_balanced",
        "timm DistributionBalancedLoss",
        timm.DistributionBalancedLoss(COUNTS.tolist(), 100, reduction="none"),
        "binary",
        params={"class_counts": COUNTS.tolist(), "neg_counts": (100 - COUNTS).tolist()},
        tolerance=FLOAT32,
        note=ROUNDED,
    )
    peer(
        "quality_focal",
        "mmdet quality_focal_loss_tensor_target",
        lambda x, y: gfocal.quality_focal_loss_tensor_target(x, y, beta=1.5, reduction="none") / x.shape[1],
        "unit",
        params={"beta": 1.5},
        note="divided by C: it adds the classes up",
    )
    peer(
        "varifocal",
        "mmdet varifocal_loss",
        lambda x, y: vfocal.varifocal_loss(x, y, alpha=0.6, gamma=1.5, reduction="none"),
        "unit",
        params={"alpha": 0.6, "gamma": 1.5},
    )
    peer(
        "varifocal",
        "mmdet varifocal_loss, iou_weighted False",
        lambda x, y: vfocal.varifocal_loss(x, y, iou_weighted=False, reduction="none"),
        "unit",
        params={"iou_weighted": False},
    )


def torchvision_focal(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """alpha_t (1 - p_t)^gamma BCE with p_t = p y + (1-p)(1-y), as torchvision's documentation and Lin et al. give it."""
    p = torch.sigmoid(x)
    p_t = p * y + (1 - p) * (1 - y)
    alpha_t = 0.25 * y + 0.75 * (1 - y)
    return alpha_t * (1 - p_t) ** 2 * F.binary_cross_entropy_with_logits(x, y, reduction="none")


def margins() -> None:
    kink = {"leave_out": (), "differs_on": ("kink",), "note": "but for the kink: there JAX's maximum has the slope ½, ours 0"}
    peer("hinge", "optax hinge_loss", lambda x, y: optax.losses.hinge_loss(x, 2 * y - 1), "binary", **kink)
    averaged = {**kink, "tolerance": FLOAT32, "note": f"{AVERAGED}; {kink['note']}"}
    peer("hinge", "keras hinge", lambda x, y: keras.losses.hinge(2 * y - 1, x), "binary", **averaged)
    peer(
        "hinge",
        "keras squared_hinge",
        lambda x, y: keras.losses.squared_hinge(2 * y - 1, x),
        "binary",
        params={"squared": True},
        leave_out=(),
        tolerance=FLOAT32,
        note=AVERAGED,
    )
    for p in (1, 2):
        peer(
            "multi_margin",
            f"torch multi_margin_loss, p = {p}, weight",
            lambda x, y, class_weight, p=p: F.multi_margin_loss(x, index(y), p, 1.0, class_weight, reduction="none"),
            "single",
            params={"p": p},
            besides={"class_weight": WEIGHTS},
            leave_out=(),
            note="on the kink too" if p == 1 else "",
        )
    peer("multilabel_margin", "torch multilabel_margin_loss", multilabel_margin, "binary", leave_out=(), note="on the kink too")


def multilabel_margin(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """torch wants each row's labels as indices, then -1."""
    columns = torch.arange(x.shape[1]).expand(x.shape)
    return F.multilabel_margin_loss(x, torch.where(y != 0, columns, -1).sort(1, descending=True).values, reduction="none")


def others() -> None:
    peer("zlpr", "timm ZlprLoss", timm.ZlprLoss(), "binary", tolerance=FLOAT32, note=f"the mean, {ROUNDED}")
    peer(
        "two_way",
        "timm TwoWayLoss",
        timm.TwoWayLoss(tp=4.0, tn=1.0),
        "binary",
        tolerance=FLOAT32,
        note=ROUNDED,
    )


if __name__ == "__main__":
    all_peers()
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    np.savez(folder / "arrays.npz", **ARRAYS)
    (folder / "cases.json").write_text(json.dumps(CASES))
    print(f"{len(CASES)} cases")
