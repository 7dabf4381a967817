"""The catalogue: seven losses read off their files, found by name and alias, with parameters that a page can show."""

import json
from pathlib import Path

import pytest

from models import losses
from models.catalogue import catalogue, described, find, names
from models.errors import UnknownLoss
from tests.models.cases import each_loss

ALIASES = {
    "softmax_cross_entropy": {"softmax", "SoftmaxWithLoss", "CrossEntropyLoss", "multilabel_softmax"},
    "binary_cross_entropy": {"bce", "BCEWithLogitsLoss", "SigmoidCrossEntropyLoss"},
    "focal": {"sigmoid_focal"},
    "asymmetric": {"asl"},
    "zlpr": {"multilabel_categorical_crossentropy"},
    "multilabel_soft_margin": {"MultiLabelSoftMarginLoss"},
    "multilabel_margin": {"MultiLabelMarginLoss"},
}
DEFAULTS = {
    "softmax_cross_entropy": {"normalize": "count", "label_smoothing": 0.0, "temperature": 1.0},
    "binary_cross_entropy": {"label_smoothing": 0.0},
    "focal": {"gamma": 2.0, "alpha": 0.25, "soft": "arithmetic"},
    "asymmetric": {"gamma_neg": 4.0, "gamma_pos": 1.0, "clip": 0.05, "eps": 1e-8, "detach_weight": False},
    "zlpr": {},
    "multilabel_soft_margin": {},
    "multilabel_margin": {},
}


def test_every_file_of_losses_is_one_loss_of_its_name() -> None:
    files = {file.stem for path in losses.__path__ for file in Path(path).glob("*.py")} - {"__init__"}
    assert set(catalogue()) == files >= set(DEFAULTS)
    assert list(catalogue()) == sorted(catalogue())


@pytest.mark.parametrize("name", sorted(DEFAULTS))
def test_the_core_losses_have_the_aliases_and_defaults_of_the_design(name: str) -> None:
    assert set(find(name).about.aliases) >= ALIASES[name]
    assert find(name).parameters({}, "float32") == DEFAULTS[name]


def test_a_loss_is_found_by_its_name_and_by_each_alias_in_any_case_of_letters() -> None:
    for name, each in names().items():
        assert find(name) is find(name.upper()) is find(name.lower()) is each


@pytest.mark.parametrize(
    ("wrong", "near"), [("focl", "'focal'"), ("SoftMaxx", "'softmax'"), ("BCEWithLogitLoss", "'BCEWithLogitsLoss'"), ("zlrp", "'zlpr'")]
)
def test_an_unknown_name_is_answered_with_the_nearest(wrong: str, near: str) -> None:
    with pytest.raises(UnknownLoss, match=f"no loss named '{wrong}'; did you mean {near}"):
        find(wrong)


def test_a_name_that_is_near_none_is_answered_with_all_and_in_one_line() -> None:
    with pytest.raises(UnknownLoss) as unknown:
        find("?" * 10_000)
    assert all(name in str(unknown.value) for name in catalogue())
    assert len(str(unknown.value)) < 1000 and "\n" not in str(unknown.value)


@each_loss
def test_what_a_loss_says_of_itself_is_json_and_complete(name: str) -> None:
    shown = json.loads(json.dumps(described(find(name))))
    assert set(shown) >= {"name", "aliases", "unit", "targets", "params", "mean_over", "formula", "gradient", "paper", "summary"}
    assert shown["name"] == name and shown["formula"] and shown["gradient"] and shown["summary"].endswith(".")
    assert shown["unit"] in ("row", "element") and shown["targets"] in ("real", "unit", "binary")
    assert {key: about["default"] for key, about in shown["params"].get("properties", {}).items()} == find(name).parameters({}, "float32")
    assert shown["params"]["additionalProperties"] is False
