"""An invalid Job cannot be built: every check, what it raises, and where it points."""

from collections.abc import Iterator
from dataclasses import FrozenInstanceError
from typing import Any

import numpy as np
import pytest
import torch

from models.catalogue import find
from models.checks import BFLOAT16
from models.contract import Job, Result, Runtime
from models.errors import InvalidJob, InvalidParameters, InvalidScores, InvalidTargets, NumericOverflow
from models.labels import Labels
from tests.models.cases import each_loss, lists, single_labels

NAN, INF = np.nan, np.inf
SCORES = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
TARGETS = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
ONES = np.ones((2, 3))


def with_one(array: Any, place: tuple[int, ...], value: float) -> Any:
    """A copy with one value changed."""
    changed = np.array(array, dtype=np.float64)
    changed[place] = value
    return changed


NEARLY_NOTHING = {"loss": "softmax", "targets": [[0.1, 0.2, -0.3]] * 2, "params": {"normalize": "sum"}, "dtype": "float64"}
TWO_SINGLE_LABELS = Labels(indices=np.array([0, 1, 2]), offsets=np.array([0, 2, 3]), flat=True)


def weighted(*weights: float) -> Labels:
    """Row 0 has the classes 0 and 2, row 1 the class 1."""
    return Labels(indices=np.array([0, 2, 1]), offsets=np.array([0, 2, 3]), weights=np.array(weights))


def csr(indices: Any, offsets: Any, weights: Any = None) -> Labels:
    return Labels(indices=np.array(indices), offsets=np.array(offsets), weights=weights)


def build(**given: Any) -> Job:
    """A valid job but for what is given; labels take the place of targets."""
    fields: dict[str, Any] = {"loss": "binary_cross_entropy", "scores": SCORES} | given
    if "labels" not in given and "targets" not in given:
        fields["targets"] = TARGETS
    return Job(**{**fields, "loss": find(fields["loss"])})


REFUSED: list[tuple[str, dict[str, Any], type[InvalidJob], str, str]] = [
    # options
    ("a reduction that is none", {"reduction": "max"}, InvalidParameters, "/reduction", "'none', 'sum', 'mean'"),
    ("a null reduction", {"reduction": None}, InvalidParameters, "/reduction", "found null"),
    ("half precision", {"dtype": "float16"}, InvalidParameters, "/dtype", "'float32', 'float64'"),
    ("an unknown divisor", {"mean_over": "batch"}, InvalidParameters, "/mean_over", "'positives'"),
    ("a divisor that is a list", {"mean_over": ["rows"]}, InvalidParameters, "/mean_over", "expected one of"),
    # parameters
    ("an unknown parameter", {"params": {"gama": 2}, "loss": "focal"}, InvalidParameters, "/params/gama", "did you mean 'gamma'"),
    ("a parameter that has to be escaped", {"params": {"a/b~c": 2}}, InvalidParameters, "/params/a~1b~0c", "unknown field"),
    ("another loss's parameter", {"params": {"gamma": 2}}, InvalidParameters, "/params/gamma", "label_smoothing"),
    ("a parameter that is a word", {"params": {"gamma": "2"}, "loss": "focal"}, InvalidParameters, "/params/gamma", "found '2'"),
    ("a parameter that is a boolean", {"params": {"gamma": True}, "loss": "focal"}, InvalidParameters, "/params/gamma", "found true"),
    ("a parameter that is NaN", {"params": {"gamma": NAN}, "loss": "focal"}, InvalidParameters, "/params/gamma", "found NaN"),
    ("an infinite parameter", {"params": {"gamma": INF}, "loss": "focal"}, InvalidParameters, "/params/gamma", "found inf"),
    ("a null parameter", {"params": {"gamma": None}, "loss": "focal"}, InvalidParameters, "/params/gamma", "found null"),
    ("a negative gamma", {"params": {"gamma": -0.1}, "loss": "focal"}, InvalidParameters, "/params/gamma", "greater"),
    ("an alpha above 1", {"params": {"alpha": 1.1}, "loss": "focal"}, InvalidParameters, "/params/alpha", "less"),
    ("a third reading of soft", {"params": {"soft": "hard"}, "loss": "focal"}, InvalidParameters, "/params/soft", "'hard'"),
    ("a negative focus", {"params": {"gamma_neg": -1}, "loss": "asl"}, InvalidParameters, "/params/gamma_neg", "greater"),
    ("a negative focus of positives", {"params": {"gamma_pos": -1}, "loss": "asl"}, InvalidParameters, "/params/gamma_pos", "greater"),
    ("a clip of 1", {"params": {"clip": 1.0}, "loss": "asl"}, InvalidParameters, "/params/clip", "less"),
    ("a negative eps", {"params": {"eps": -1e-9}, "loss": "asl"}, InvalidParameters, "/params/eps", "greater"),
    ("a number for a switch", {"params": {"detach_weight": 1}, "loss": "asl"}, InvalidParameters, "/params/detach_weight", "found 1"),
    ("a temperature of 0", {"params": {"temperature": 0}, "loss": "softmax"}, InvalidParameters, "/params/temperature", "greater"),
    ("a smoothing above 1", {"params": {"label_smoothing": 1.5}}, InvalidParameters, "/params/label_smoothing", "less"),
    ("an unknown normalisation", {"params": {"normalize": "max"}, "loss": "softmax"}, InvalidParameters, "/params/normalize", "'max'"),
    ("a parameter of a loss without any", {"params": {"x": 1}, "loss": "zlpr"}, InvalidParameters, "/params/x", "unknown"),
    # scores and mask
    ("scores that are a row", {"scores": SCORES[0]}, InvalidScores, "/scores", "has shape [3]; expected [N, C]"),
    ("scores that are a number", {"scores": 3.0}, InvalidScores, "/scores", "has shape []"),
    ("scores with three axes", {"scores": SCORES[None]}, InvalidScores, "/scores", "has shape [1, 2, 3]"),
    ("no rows", {"scores": np.ones((0, 3))}, InvalidScores, "/scores", "N ≥ 1"),
    ("no classes", {"scores": np.ones((2, 0))}, InvalidScores, "/scores", "C ≥ 1"),
    ("scores that are words", {"scores": np.array([["a"]])}, InvalidScores, "/scores", "expected numbers"),
    ("scores that are booleans", {"scores": SCORES > 2}, InvalidScores, "/scores", "found bool"),
    ("scores that are complex", {"scores": SCORES + 1j}, InvalidScores, "/scores", "found complex128"),
    ("scores that are objects", {"scores": np.array([[None, 1.0, 2.0]])}, InvalidScores, "/scores", "found object"),
    ("a score of NaN", {"scores": with_one(SCORES, (1, 2), NAN)}, InvalidScores, "/scores/1/2", "found nan"),
    ("a score of inf", {"scores": with_one(SCORES, (0, 1), INF)}, InvalidScores, "/scores/0/1", "found inf"),
    ("both infinities", {"scores": [[INF, -INF, 0]] * 2}, InvalidScores, "/scores/0/0", "found inf"),
    ("a NaN behind an infinity", {"scores": [[-INF, NAN, 0]] * 2}, InvalidScores, "/scores/0/1", "found nan"),
    ("a NaN that is masked", {"scores": with_one(SCORES, (0, 1), NAN), "mask": 0 * ONES}, InvalidScores, "/scores/0/1", "nan"),
    ("a mask of another shape", {"mask": np.ones((3, 2))}, InvalidScores, "/mask", "has shape [3, 2]; expected [2, 3]"),
    ("a mask of halves", {"mask": with_one(ONES, (1, 1), 0.5)}, InvalidScores, "/mask/1/1", "found 0.5; expected 0 or 1"),
    ("a mask of NaN", {"mask": with_one(ONES, (0, 2), NAN)}, InvalidScores, "/mask/0/2", "expected 0 or 1"),
    ("a mask of words", {"mask": np.full((2, 3), "1")}, InvalidScores, "/mask", "expected numbers"),
    # weights
    ("class weights for other classes", {"class_weight": np.ones(2)}, InvalidScores, "/class_weight", "has shape [2]; expected [3]"),
    ("one class weight", {"class_weight": 2.0}, InvalidScores, "/class_weight", "has shape []; expected [3]"),
    ("a negative class weight", {"class_weight": np.array([1, -1, 1])}, InvalidScores, "/class_weight/1", "at least 0"),
    ("a class weight of NaN", {"class_weight": [1.0, 1.0, NAN]}, InvalidScores, "/class_weight/2", "found nan"),
    ("a class weight of -inf", {"class_weight": [-INF, 1, 1]}, InvalidScores, "/class_weight/0", "found -inf; expected a finite number"),
    ("a negative pos_weight", {"pos_weight": -0.5}, InvalidScores, "/pos_weight", "at least 0"),
    ("a negative pos_weight of one class", {"pos_weight": [1, 1, -2]}, InvalidScores, "/pos_weight/2", "at least 0"),
    ("a pos_weight for each element", {"pos_weight": ONES}, InvalidScores, "/pos_weight", "expected [3]"),
    ("an infinite pos_weight", {"pos_weight": INF}, InvalidScores, "/pos_weight", "finite"),
    ("a pos_weight for a row loss", {"pos_weight": 2.0, "loss": "softmax"}, InvalidScores, "/pos_weight", "row loss"),
    ("element weights for a row loss", {"element_weight": ONES, "loss": "zlpr"}, InvalidScores, "/element_weight", "row loss"),
    ("element weights of another shape", {"element_weight": np.ones((2, 2))}, InvalidScores, "/element_weight", "expected [2, 3]"),
    ("an element weight of NaN", {"element_weight": with_one(ONES, (1, 0), NAN)}, InvalidScores, "/element_weight/1/0", "nan"),
    ("sample weights for other rows", {"sample_weight": np.ones(3)}, InvalidScores, "/sample_weight", "expected [2]"),
    ("a sample weight of inf", {"sample_weight": [1, INF]}, InvalidScores, "/sample_weight/1", "found inf"),
    ("sample weights that are booleans", {"sample_weight": [True, False]}, InvalidScores, "/sample_weight", "found bool"),
    # targets
    ("no labels at all", {"targets": None}, InvalidTargets, "/targets", "neither targets nor labels"),
    ("targets of another shape", {"targets": TARGETS.T}, InvalidTargets, "/targets", "has shape [3, 2]; expected [2, 3]"),
    ("targets that are booleans", {"targets": TARGETS > 0}, InvalidTargets, "/targets", "found bool"),
    ("a target of NaN", {"targets": with_one(TARGETS, (1, 1), NAN)}, InvalidTargets, "/targets/1/1", "found nan"),
    ("a target of -inf", {"targets": with_one(TARGETS, (0, 1), -INF)}, InvalidTargets, "/targets/0/1", "found -inf; expected a finite"),
    ("a half for a margin", {"targets": TARGETS / 2, "loss": "multilabel_margin"}, InvalidTargets, "/targets/0/0", "expected 0 or 1"),
    ("a two for focal", {"targets": TARGETS * 2, "loss": "focal"}, InvalidTargets, "/targets/0/0", "expected 0 to 1"),
    ("a negative label for zlpr", {"targets": with_one(TARGETS, (1, 1), -0.1), "loss": "zlpr"}, InvalidTargets, "/targets/1/1", "0 to 1"),
    ("ignore_index with targets", {"ignore_index": 0}, InvalidTargets, "/ignore_index", "belongs to labels"),
    ("a label where the score is -inf", {"scores": with_one(SCORES, (1, 2), -INF)}, InvalidTargets, "/targets/1/2", "masked"),
    ("labels that add up to 0", {"targets": with_one(TARGETS, (1, 1), -1), "loss": "softmax", "params": {"normalize": "sum"}},
     InvalidTargets, "/targets/1", "add up to 0"),
    # labels
    ("both forms", {"targets": TARGETS, "labels": lists([0], [1])}, InvalidTargets, "/labels", "both targets and labels"),
    ("fewer rows of labels", {"labels": lists([0])}, InvalidTargets, "/labels", "has 1 rows; scores has 2"),
    ("more rows of labels", {"labels": single_labels([0, 1, 2])}, InvalidTargets, "/labels", "has 3 rows; scores has 2"),
    ("class -1", {"labels": lists([0, -1], [1])}, InvalidTargets, "/labels/0/1", "class -1 is out of range for C = 3"),
    ("class C", {"labels": lists([0], [1, 2, 3])}, InvalidTargets, "/labels/1/2", "class 3 is out of range for C = 3"),
    ("a plain class C", {"labels": single_labels([0, 3])}, InvalidTargets, "/labels/1", "class 3 is out of range"),
    ("a class beyond 32 bits", {"labels": lists([2**40], [1])}, InvalidTargets, "/labels/0/0", "out of range"),
    ("a class beyond 63 bits", {"labels": csr(np.array([2**64 - 1], np.uint64), [0, 1, 1])}, InvalidTargets, "/labels/0/0", "out of range"),
    ("a class twice", {"labels": lists([0], [1, 0, 1])}, InvalidTargets, "/labels/1/2", "class 1 is there twice"),
    ("the ignored value twice", {"labels": lists([9, 9], [1]), "ignore_index": 9}, InvalidTargets, "/labels/0/0", "out of range"),
    ("the ignored value beside a class", {"labels": lists([1], [0, -1]), "ignore_index": -1}, InvalidTargets, "/labels/1/1", "class -1"),
    ("labels that are fractions", {"labels": csr([0.0, 1.0], [0, 1, 2])}, InvalidTargets, "/labels", "integers, found float64"),
    ("labels that are booleans", {"labels": csr([True, False], [0, 1, 2])}, InvalidTargets, "/labels", "found bool"),
    ("labels with two axes", {"labels": csr([[0], [1]], [0, 1, 2])}, InvalidTargets, "/labels", "a vector of integers"),
    ("offsets that are fractions", {"labels": csr([0, 1], [0.0, 1.0, 2.0])}, InvalidTargets, "/label_offsets", "integers"),
    ("offsets that fall", {"labels": csr([0, 1], [0, 3, 2])}, InvalidTargets, "/label_offsets", "must rise from 0"),
    ("offsets that start at 1", {"labels": csr([0, 1], [1, 1, 2])}, InvalidTargets, "/label_offsets", "must rise from 0"),
    ("offsets that end early", {"labels": csr([0, 1], [0, 1, 1])}, InvalidTargets, "/label_offsets", "number of labels, 2"),
    ("offsets that end late", {"labels": csr([0, 1], [0, 1, 3])}, InvalidTargets, "/label_offsets", "number of labels, 2"),
    ("no offsets", {"labels": csr(np.zeros(0, int), np.zeros(0, int))}, InvalidTargets, "/labels", "rows"),
    ("fewer weights than labels", {"labels": weighted(1, 2)}, InvalidTargets, "/label_weights", "has shape [2]; expected [3]"),
    ("a label weight of NaN", {"labels": weighted(1, 2, NAN)}, InvalidTargets, "/label_weights/1/0", "found nan"),
    ("a label weight of inf", {"labels": weighted(1, INF, 2)}, InvalidTargets, "/label_weights/0/1", "found inf"),
    ("label weights that are words", {"labels": csr([0, 1], [0, 1, 2], np.array(["a", "b"]))}, InvalidTargets, "/label_weights/0/0",
     "numbers"),
    ("a label weight above 1", {"labels": weighted(1, 1, 2), "loss": "focal"}, InvalidTargets, "/label_weights/1/0", "0 to 1"),
    ("half a label for a margin", {"labels": weighted(1, 0.5, 1), "loss": "multilabel_margin"}, InvalidTargets, "/label_weights/0/1",
     "0 or 1"),
    ("a sparse label where the score is -inf", {"scores": with_one(SCORES, (0, 2), -INF), "labels": lists([0, 2], [1])}, InvalidTargets,
     "/labels/0/1", "class 2 is masked"),
    ("sparse labels that add up to 0", {"labels": weighted(1, -1, 1), "loss": "softmax", "params": {"normalize": "sum"}}, InvalidTargets,
     "/labels/0", "add up to 0"),
    # the gradient from above
    ("a gradient from above for the loss alone", {"grad_output": 1.0, "wants_grad": False}, InvalidParameters, "/grad_output",
     "only the loss"),
    ("an array from above for a mean", {"grad_output": ONES}, InvalidScores, "/grad_output", "must be a number"),
    ("a vector of one from above for a sum", {"grad_output": [1.0], "reduction": "sum"}, InvalidScores, "/grad_output", "must be a number"),
    ("an array from above of rows for elements", {"grad_output": [1.0, 1], "reduction": "none"}, InvalidScores, "/grad_output", "[2, 3]"),
    ("an array from above of elements for rows", {"grad_output": ONES, "reduction": "none", "loss": "zlpr"}, InvalidScores, "/grad_output",
     "expected [2]"),
    ("a NaN from above", {"grad_output": NAN}, InvalidScores, "/grad_output", "finite"),
    ("an array from above with an inf", {"grad_output": with_one(ONES, (1, 2), INF), "reduction": "none"}, InvalidScores,
     "/grad_output/1/2", "found inf"),
    # what float32 cannot hold
    ("a score too large", {"scores": with_one(SCORES, (1, 0), 1e39)}, NumericOverflow, "/scores/1/0", "1e+39 does not fit float32"),
    ("a score too small", {"scores": with_one(SCORES, (1, 0), -1e39)}, NumericOverflow, "/scores/1/0", "use dtype float64"),
    ("a score too small beside a mask", {"scores": with_one(with_one(SCORES, (0, 0), -INF), (1, 0), -1e39), "targets": 0 * TARGETS},
     NumericOverflow, "/scores/1/0", "-1e+39"),
    ("a target too large", {"targets": TARGETS * 1e300}, NumericOverflow, "/targets/0/0", "use dtype float64"),
    ("a class weight too large", {"class_weight": [1, 1e40, 1]}, NumericOverflow, "/class_weight/1", "1e+40"),
    ("a pos_weight too large", {"pos_weight": 1e40}, NumericOverflow, "/pos_weight", "1e+40"),
    ("a gradient from above too large", {"grad_output": 1e40}, NumericOverflow, "/grad_output", "1e+40"),
    ("a parameter too large", {"params": {"gamma": 1e39}, "loss": "focal"}, NumericOverflow, "/params/gamma", "1e+39 does not fit float32"),
    ("a parameter that would be 0", {"params": {"temperature": 1e-50}, "loss": "softmax"}, NumericOverflow, "/params/temperature", "1e-50"),
    ("labels that all but cancel", NEARLY_NOTHING, InvalidTargets, "/targets/0", "add up to 0"),
    ("two single labels in a row", {"labels": TWO_SINGLE_LABELS}, InvalidTargets, "/labels", "one a row"),
    ("a fraction to ignore", {"labels": weighted(1, 1, 1), "ignore_index": 1.5}, InvalidTargets, "/ignore_index", "expected an integer"),
    ("a label weight too large", {"labels": weighted(1, 1, 1e39)}, NumericOverflow, "/label_weights/1/0", "1e+39"),
]  # fmt: skip


@pytest.mark.parametrize(("given", "error", "pointer", "detail"), [each[1:] for each in REFUSED], ids=[each[0] for each in REFUSED])
def test_an_invalid_job_cannot_be_built(given: dict[str, Any], error: type[InvalidJob], pointer: str, detail: str) -> None:
    with pytest.raises(InvalidJob) as refused:
        build(**given)
    assert type(refused.value) is error
    assert refused.value.problems[0].pointer == pointer
    assert detail in refused.value.problems[0].detail
    assert pointer in str(refused.value) and "\n" not in str(refused.value)


def test_every_wrong_parameter_is_named_at_once() -> None:
    with pytest.raises(InvalidParameters) as refused:
        build(loss="focal", params={"gamma": -1, "alpha": 7, "beta": 1})
    assert [problem.pointer for problem in refused.value.problems] == ["/params/gamma", "/params/alpha", "/params/beta"]


ACCEPTED: list[tuple[str, dict[str, Any]]] = [
    ("integers", {"scores": [[1, 2, 3], [4, 5, 6]], "targets": [[1, 0, 0], [0, 0, 1]]}),
    ("a gamma of 0 and no alpha", {"loss": "focal", "params": {"gamma": 0, "alpha": None}}),
    ("bounds that belong to it", {"loss": "asl", "params": {"clip": 0, "eps": 0, "gamma_neg": 0, "gamma_pos": 0}}),
    ("a smoothing of 1", {"params": {"label_smoothing": 1}}),
    ("booleans for a mask", {"mask": ONES > 0}),
    ("a mask of nothing", {"mask": ONES * 0}),
    ("weights of 0", {"class_weight": np.zeros(3), "pos_weight": 0, "sample_weight": np.zeros(2), "element_weight": ONES * 0}),
    ("negative weights of rows and elements", {"sample_weight": [-1, 1], "element_weight": -ONES}),
    ("negative labels where any number has a meaning", {"targets": -TARGETS * 3}),
    ("a strange label where the mask is 0", {"loss": "focal", "targets": TARGETS * 5, "mask": 1 - TARGETS}),
    ("a label where the score is -inf and the mask 0", {"scores": np.where(TARGETS > 0, -INF, 1), "mask": 1 - TARGETS}),
    ("a sparse label where the score is -inf and the mask 0",
     {"scores": np.where(TARGETS > 0, -INF, 1), "mask": 1 - TARGETS, "labels": lists([0], [2])}),
    ("a label of weight 0 where the score is -inf", {"scores": with_one(SCORES, (0, 2), -INF), "labels": weighted(1, 0, 1)}),
    ("labels that add up to 0 behind a mask", {"loss": "softmax", "params": {"normalize": "sum"}, "mask": [[1, 0, 1], [1, 1, 1]],
                                               "targets": [[0, 1, 0], [0, 0, 1]]}),
    ("labels that add up to 0, counted", {"loss": "softmax", "targets": [[1, -1, 0], [0, 0, 1]]}),
    ("no label in any row", {"labels": lists([], [])}),
    ("every row ignored", {"labels": lists([8], [8]), "ignore_index": 8}),
    ("an ignored value that is beyond 64 bits", {"labels": lists([0], [1]), "ignore_index": 10**30}),
    ("a strange weight in an ignored row", {"loss": "focal", "labels": csr([0, 8], [0, 1, 2], np.array([1.0, 7])), "ignore_index": 8}),
    ("the largest float32", {"scores": with_one(SCORES * 0, (1, 0), float(np.finfo(np.float32).max)), "targets": ONES}),
    ("1e39 in float64", {"scores": with_one(SCORES * 0, (1, 0), 1e39), "targets": ONES, "dtype": "float64"}),
    ("int32 labels", {"labels": csr(np.array([0, 1], np.int32), np.array([0, 1, 2], np.int32))}),
    ("unsigned labels", {"labels": csr(np.array([0, 1], np.uint64), np.array([0, 1, 2], np.uint8))}),
]  # fmt: skip


@pytest.mark.parametrize("given", [each[1] for each in ACCEPTED], ids=[each[0] for each in ACCEPTED])
def test_a_valid_job_can_be_built_and_run(given: dict[str, Any], runtime: Runtime) -> None:
    result = runtime.run(build(**given))
    assert np.isfinite(result.loss).all() and result.grad is not None


def test_a_pos_weight_with_one_axis_too_many_is_named_by_both_shapes() -> None:
    with pytest.raises(InvalidScores, match=r"has shape \[1, 3\]; expected \[3\]"):
        build(pos_weight=np.ones((1, 3)))


@pytest.fixture
def every_warning_of_torch() -> Iterator[None]:
    """Torch gives most warnings once a process; here each time, so that no test hides another's."""
    torch.set_warn_always(True)
    yield
    torch.set_warn_always(False)


def memory(shape: tuple[int, int], form: str) -> Any:
    """Scores of float32 in another layout, byte order, or right of access."""
    scores = np.arange(shape[0] * shape[1], dtype=np.float32).reshape(shape)
    forms = {
        "fortran": lambda: np.asfortranarray(scores),
        "rows reversed": lambda: scores[::-1],
        "classes reversed": lambda: scores[:, ::-1],
        "every other": lambda: np.repeat(scores, 2, axis=1)[:, ::2],
        "broadcast": lambda: np.broadcast_to(scores[:1], shape),
        "read only": lambda: np.frombuffer(scores.tobytes(), np.float32).reshape(shape),
        "big endian": lambda: scores.astype(">f4"),
        "unaligned": lambda: np.frombuffer(b"x" + scores.tobytes(), np.float32, offset=1).reshape(shape),
        "half": lambda: scores.astype(np.float16),
        "bfloat16": lambda: scores.astype(BFLOAT16),
    }
    return forms[form]()


@pytest.mark.parametrize(
    "form",
    [
        "fortran",
        "rows reversed",
        "classes reversed",
        "every other",
        "broadcast",
        "read only",
        "big endian",
        "unaligned",
        "half",
        "bfloat16",
    ],
)
@pytest.mark.usefixtures("every_warning_of_torch")
def test_arrays_may_lie_in_memory_in_any_way(form: str, runtime: Runtime) -> None:
    for shape in ((3, 4), (1, 4), (3, 1), (1, 1)):
        scores = memory(shape, form)
        there = (memory(shape, "rows reversed") > 1).astype(scores.dtype)
        weight = memory((1, shape[0]), form)[0]
        strange = {"scores": scores, "targets": there, "mask": scores > 0, "sample_weight": weight, "element_weight": scores}
        plain = {name: np.array(array.tolist(), ndmin=array.ndim) for name, array in strange.items()}
        found, expected = (runtime.run(Job(loss=find("focal"), **each, reduction="none")) for each in (strange, plain))
        assert found.loss.tobytes() == expected.loss.tobytes(), shape
        assert found.grad is not None and expected.grad is not None
        assert found.grad.tobytes() == expected.grad.tobytes(), shape


@each_loss
def test_neither_building_nor_running_a_job_changes_what_the_caller_holds(name: str, runtime: Runtime) -> None:
    arrays = {
        "scores": with_one(SCORES, (0, 1), -INF).astype(np.float32),
        "mask": np.array([[True, True, True], [True, False, True]]),
        "class_weight": np.array([1, 2, 3], np.float32),
        "sample_weight": np.array([1, 2], np.float32),
    }
    labels = csr(np.array([2, 1, 0]), np.array([0, 1, 3]), np.ones(3, np.float32))
    targets = np.array([[0, 0, 1], [1, 1, 0]], np.float32)
    params: dict[str, Any] = {}
    for form in ({"labels": labels}, {"targets": targets}):
        before = {key: array.tobytes() for key, array in arrays.items()}, labels.indices.tobytes(), targets.tobytes()
        result = runtime.run(Job(loss=find(name), params=params, reduction="none", **arrays, **form))
        after = {key: array.tobytes() for key, array in arrays.items()}, labels.indices.tobytes(), targets.tobytes()
        assert before == after and params == {}
        assert result.grad is not None
        assert not any(np.shares_memory(result.grad, array) or np.shares_memory(result.loss, array) for array in arrays.values())


def test_a_job_cannot_be_changed() -> None:
    job = build()
    with pytest.raises(FrozenInstanceError):
        job.reduction = "sum"  # type: ignore[misc]


def test_a_job_holds_every_parameter_as_given_or_by_default() -> None:
    assert build(loss="focal", params={"gamma": 3}).params == {"gamma": 3.0, "alpha": 0.25, "soft": "arithmetic"}


def test_numbers_are_rounded_once_to_the_dtype() -> None:
    job = build(scores=SCORES + 0.1, class_weight=[0.1, 0.2, 0.3], pos_weight=0.7)
    assert isinstance(job.pos_weight, np.ndarray) and job.class_weight is not None and job.targets is not None
    assert {job.scores.dtype, job.targets.dtype, job.class_weight.dtype, job.pos_weight.dtype} == {np.dtype(np.float32)}
    np.testing.assert_array_equal(job.scores, (SCORES + 0.1).astype(np.float32))


def test_a_job_is_masked_only_where_a_class_is() -> None:
    assert not build().masked and not build(mask=ONES).masked
    assert build(mask=with_one(ONES, (0, 1), 0)).masked
    assert build(scores=with_one(SCORES, (0, 1), -INF)).masked


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_result_that_its_dtype_cannot_hold_is_refused(dtype: Any, runtime: Runtime) -> None:
    most = float(np.finfo(dtype).max)
    job = build(scores=np.full((2, 3), most / 2), targets=0 * TARGETS, reduction="sum", dtype=dtype)
    advice = "use dtype float64" if dtype == "float32" else "scale the request down"
    with pytest.raises(NumericOverflow, match=f"the loss does not fit {dtype}; {advice}"):
        runtime.run(job)


def test_a_gradient_that_its_dtype_cannot_hold_is_refused(runtime: Runtime) -> None:
    job = build(scores=SCORES - 100, targets=TARGETS, pos_weight=1e30, grad_output=1e30, reduction="sum")
    with pytest.raises(NumericOverflow, match="the gradient does not fit float32"):
        runtime.run(job)


@pytest.mark.parametrize("wrong", [NAN, INF, -INF])
def test_a_result_is_finite(wrong: float) -> None:
    with pytest.raises(NumericOverflow, match="the loss"):
        Result(loss=np.array(wrong))
    with pytest.raises(NumericOverflow, match="the gradient"):
        Result(loss=np.array(1.0), grad=np.array([[1.0, wrong]]))
    assert Result(loss=np.array([1e308, 1e308])).nbytes == 16  # its sum is not finite, and it is
    assert Result(loss=np.array(1.0), grad=np.ones((2, 3), np.float32)).nbytes == 32


@pytest.mark.parametrize("half", [np.dtype(np.float16), BFLOAT16])
def test_a_result_is_rounded_to_half_precision_where_that_can_hold_it(half: Any) -> None:
    rounded = Result(loss=np.float32(1 / 3), grad=np.float32([[0.1, -2]])).rounded(half)
    assert rounded.grad is not None and {rounded.loss.dtype, rounded.grad.dtype} == {half}
    assert abs(float(rounded.loss) - 1 / 3) < float(1 / 3) * 2.0**-8
    with pytest.raises(NumericOverflow, match=f"the gradient does not fit {half.name}; use dtype float32"):
        Result(loss=np.float64(1), grad=np.float64([[1e39]])).rounded(half)
