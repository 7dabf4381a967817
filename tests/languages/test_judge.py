"""The judge of golden requests finds whatever differs, and nothing else."""

import json
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save

from tests.golden import cases, write
from tests.languages.judge import differences

SOFTMAX = cases.ALL["softmax"]
WEIGHTED = cases.ALL["softmax_label_weights"]
SCORES = np.array(SOFTMAX["scores"], np.float32)
TENSORS = {"scores": SCORES, "labels": np.array([0, 1, 2]), "label_offsets": np.array([0, 1, 3])}
LOSS = {"loss": "softmax_cross_entropy"}


@pytest.mark.parametrize(("name", "form"), [(name, form) for name in cases.ALL for form in cases.forms_of(name)])
def test_a_golden_request_is_itself_and_no_other(name: str, form: str) -> None:
    body = write.request(name, form)
    same = {other for other, job in cases.ALL.items() if not differences(body, form, job)}
    assert name in same
    assert same - {name} <= {"loss_alone", "softmax", "nan", "nan_tensor"}


@pytest.mark.parametrize(
    ("changed", "found"),
    [
        ({"scores": [[2.0, 0.5, -1.0], [0.1, 1.2, 3.5]]}, "/scores/1/2: found 3.5; expected 3.0"),
        ({"scores": [[2.0, 0.5, -1.0]]}, "/scores: found [[2.0, 0.5, -1.0]]; expected a list of 2"),
        ({"scores": [["2", 0.5, -1.0], [0.1, 1.2, 3.0]]}, "/scores/0/0: found '2'; expected 2.0"),
        ({"labels": [[0], [1]]}, "/labels/1: found [1]; expected a list of 2"),
        ({"labels": [[0.0], [1, 2]]}, "/labels/0/0: found 0.0; expected 0"),
        ({"loss": "softmax"}, "/loss: found 'softmax'; expected 'softmax_cross_entropy'"),
        ({"reduction": "mean"}, "/reduction: is there, and was not asked for"),
        ({"dtype": "float64"}, "/dtype: found 'float64'; expected 'float32'"),
    ],
)
def test_what_differs_is_said(changed: dict[str, Any], found: str) -> None:
    assert differences(json.dumps(SOFTMAX | changed).encode(), "json", SOFTMAX) == found


@pytest.mark.parametrize("missing", list(WEIGHTED))
def test_a_field_that_is_missing_is_found(missing: str) -> None:
    without = {name: value for name, value in WEIGHTED.items() if name != missing}
    assert f"/{missing}: " in differences(json.dumps(without).encode(), "json", WEIGHTED)


@pytest.mark.parametrize(
    "body",
    [
        save(TENSORS, LOSS),
        save(TENSORS, {**LOSS, "dtype": "float32"}),
        save({**TENSORS, "scores": np.array(SOFTMAX["scores"])}, {**LOSS, "dtype": "float32"}),
        save({**TENSORS, "labels": np.array([0, 1, 2], np.int32), "label_offsets": np.array([0, 1, 3], np.uint32)}, LOSS),
        save({"scores": SCORES, "labels": np.array([[0, -1], [1, 2]])}, LOSS),
    ],
)
def test_the_same_job_may_be_written_in_several_ways(body: bytes) -> None:
    assert differences(body, "safetensors", SOFTMAX) == ""


@pytest.mark.parametrize(
    ("body", "found"),
    [
        (save({**TENSORS, "scores": SCORES.astype(np.float64)}, LOSS), "/dtype: found 'float64'; expected 'float32'"),
        (save({**TENSORS, "scores": SCORES.T.copy()}, LOSS), "/scores: found"),
        (save({**TENSORS, "labels": np.array([0.0, 1.0, 2.0])}, LOSS), "/labels: holds F64; expected integers"),
        (save({**TENSORS, "label_offsets": np.array([0, 2, 3])}, LOSS), "/labels/0: found [0, 1]; expected a list of 1"),
        (
            save({**TENSORS, "label_offsets": np.array([0, 1, 2])}, LOSS),
            "/label_offsets: found [0, 1, 2]; expected them to rise from 0 to 3",
        ),
        (save({**TENSORS, "mask": np.ones((2, 3), bool)}, LOSS), "/mask: is there, and was not asked for"),
        (save(TENSORS), "/loss: is missing"),
        (save(TENSORS, LOSS)[:-8], "the tensors end at byte 72 of 64"),
        (save(TENSORS, LOSS) + b"\0", "the tensors end at byte"),
        (b"\x0f" + bytes(7) + b'{"scores": {}} ', "not of this form"),
        (b"", "a header of 0 bytes in a body of 0"),
    ],
)
def test_a_binary_request_that_differs_is_found(body: bytes, found: str) -> None:
    assert found in differences(body, "safetensors", SOFTMAX)


def test_json_that_is_none_or_names_a_field_twice_is_found() -> None:
    assert "this is not JSON" in differences(b"{", "json", SOFTMAX)
    assert "stands twice" in differences(b'{"loss": "a", "loss": "b"}', "json", SOFTMAX)
