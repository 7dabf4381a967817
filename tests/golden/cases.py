"""The golden cases: what is asked, as JSON has it. `write.py` sends them to the service and keeps its replies."""

import math
from typing import Any

Job = dict[str, Any]

TWO_ROWS = [[2.0, 0.5, -1.0], [0.1, 1.2, 3.0]]
SCORES = [[2.0, 0.5, -1.0, 0.25], [0.1, 1.2, 3.0, -0.75], [-1.5, 0.3, 0.7, 2.25]]
REAL = [[1.0, 0.0, 0.5, 0.0], [0.0, 2.5, -0.3, 0.7], [0.2, 0.0, 0.0, 1.0]]
UNIT = [[1.0, 0.0, 0.25, 0.0], [0.0, 0.9, 1.0, 0.0], [0.0, 0.0, 0.6, 1.0]]
LISTS = [[0, 2], [], [3, 1]]
WITH_NAN = [[2.0, math.nan, -1.0], [0.1, 1.2, 3.0]]
WIDE = [[10000.0, -10000.0, 12.5], [-88.0, 745.5, 0.0]]

GRAD: dict[str, Job] = {
    "softmax": {"loss": "softmax_cross_entropy", "scores": TWO_ROWS, "labels": [[0], [1, 2]]},
    "softmax_defaults": {"scores": SCORES, "labels": LISTS, "dtype": "float64"},
    "softmax_label_weights": {
        "loss": "softmax",
        "params": {"normalize": "sum", "label_smoothing": 0.1, "temperature": 2.0},
        "scores": SCORES,
        "labels": LISTS,
        "label_weights": [[0.7, 1.3], [], [0.2, 2.5]],
        "dtype": "float64",
    },
    "softmax_real_targets": {
        "loss": "softmax_cross_entropy",
        "params": {"normalize": "none"},
        "scores": SCORES,
        "targets": REAL,
        "class_weight": [1.0, 0.5, 2.0, 0.1],
        "sample_weight": [1.0, 0.3, 2.0],
        "reduction": "sum",
        "grad_output": 0.5,
        "dtype": "float64",
    },
    "softmax_single_labels": {
        "loss": "CrossEntropyLoss",
        "scores": SCORES,
        "labels": [2, -100, 0],
        "class_weight": [1.0, 0.5, 2.0, 0.1],
        "ignore_index": -100,
    },
    "softmax_ignored_row": {
        "loss": "SoftmaxWithLoss",
        "scores": SCORES,
        "labels": [[1], [7], []],
        "ignore_index": 7,
        "mean_over": "valid",
        "dtype": "float64",
    },
    "softmax_none": {
        "scores": SCORES,
        "labels": LISTS,
        "reduction": "none",
        "grad_output": [1.0, -2.0, 0.25],
        "dtype": "float64",
    },
    "softmax_extremes": {"scores": WIDE, "labels": [[1], [0]], "mask": [[1, 1, 0], [1, 1, 1]], "reduction": "sum"},
    "softmax_onnx": {"scores": SCORES, "labels": LISTS, "runtime": "onnx", "dtype": "float64"},
    "bce_mask": {
        "loss": "binary_cross_entropy",
        "scores": SCORES,
        "targets": REAL,
        "pos_weight": 2.5,
        "mask": [[1, 1, 0, 1], [0, 1, 1, 1], [1, 1, 1, 0]],
        "mean_over": "valid",
        "dtype": "float64",
    },
    "bce_element_weight": {
        "loss": "BCEWithLogitsLoss",
        "params": {"label_smoothing": 0.2},
        "scores": SCORES,
        "labels": LISTS,
        "pos_weight": [1.0, 0.0, 3.5, 2.0],
        "element_weight": [[1.0, -0.5, 2.0, 0.0], [1.0, 1.0, 0.25, 1.0], [0.5, 0.5, 0.5, 3.0]],
        "mean_over": "weights",
    },
    "bce_none": {
        "loss": "bce",
        "scores": TWO_ROWS,
        "targets": [[1.0, 0.0, 0.0], [0.0, 1.0, 1.0]],
        "mask": [[True, True, False], [True, True, True]],
        "reduction": "none",
        "grad_output": [[1.0, 0.5, 3.0], [-1.0, 0.0, 2.0]],
        "dtype": "float64",
    },
    "focal": {
        "loss": "focal",
        "params": {"gamma": 1.5, "alpha": None, "soft": "geometric"},
        "scores": SCORES,
        "targets": UNIT,
        "dtype": "float64",
    },
    "asymmetric": {
        "loss": "asl",
        "params": {"gamma_neg": 3.0, "clip": 0.1, "detach_weight": True},
        "scores": SCORES,
        "labels": LISTS,
        "sample_weight": [0.5, 1.0, 2.0],
        "dtype": "float64",
    },
    "zlpr": {"loss": "zlpr", "scores": SCORES, "targets": UNIT, "mean_over": "positives", "dtype": "float64"},
    "multilabel_soft_margin": {"loss": "MultiLabelSoftMarginLoss", "scores": SCORES, "labels": LISTS, "class_weight": [1.0, 0.5, 2.0, 0.1]},
    "multilabel_margin": {"loss": "multilabel_margin", "scores": SCORES, "labels": LISTS, "reduction": "sum", "dtype": "float64"},
    "one_number": {"loss": "binary_cross_entropy", "scores": [[-1.5]], "targets": [[1.0]], "dtype": "float64"},
    "label_out_of_range": {"scores": TWO_ROWS, "labels": [[0], [1, 3]]},
    "unknown_loss": {"loss": "focl", "scores": TWO_ROWS, "labels": [[0], [1, 2]]},
    "unknown_parameter": {"params": {"normalise": "sum"}, "scores": TWO_ROWS, "labels": [[0], [1, 2]]},
    "ragged": {"scores": [[2.0, 0.5, -1.0], [0.1, 1.2]], "labels": [[0], [1]]},
}
LOSS: dict[str, Job] = {
    "loss_alone": {"loss": "softmax_cross_entropy", "scores": TWO_ROWS, "labels": [[0], [1, 2]]},
    "loss_none": {"loss": "bce", "scores": SCORES, "labels": LISTS, "reduction": "none", "dtype": "float64"},
    "loss_by_row": {"loss": "zlpr", "scores": TWO_ROWS, "labels": [[0], []], "reduction": "none"},
}
# JSON cannot write these down, so they do not stand in cases.json; the fault server knows them too.
NOT_IN_JSON: dict[str, Job] = {
    "nan": {"scores": WITH_NAN, "labels": [[0], [1, 2]]},
    "nan_tensor": {"scores": WITH_NAN, "labels": [[0], [1, 2]]},
    "minus_infinity": {"scores": [[2.0, -math.inf, -1.0], [0.1, 1.2, 3.0]], "labels": [[0], [1, 2]], "dtype": "float64"},
    "half": {"scores": TWO_ROWS, "labels": [[0], [1, 2]], "dtype": "float16"},  # of the tensors: the field dtype is not sent
}
ONLY_JSON = {"ragged", "nan"}
ONLY_BINARY = {"nan_tensor", "minus_infinity", "half"}


def path_of(name: str) -> str:
    """Where a case is sent."""
    return "/loss" if name in LOSS else "/grad"


def forms_of(name: str) -> list[str]:
    """The forms that can hold a case."""
    return [form for form, others in (("json", ONLY_BINARY), ("safetensors", ONLY_JSON)) if name not in others]


ALL = GRAD | LOSS | NOT_IN_JSON
