"""Runtimes: the same numbers for the same job whichever computes it, every time; in large batches too; and without torch where it can."""

import subprocess
import sys
import textwrap
import tracemalloc
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from models.catalogue import catalogue, find
from models.contract import DTYPES, Job, Result, Runtime
from models.errors import NumericOverflow
from models.runtimes.onnx import OnnxRuntime
from models.runtimes.pytorch import PyTorch
from models.runtimes.warm_up import warm_up_jobs
from tests.models.cases import LOSSES, TOLERANCE, Array, assert_close, by_element, each_loss, gradient, labels_of, single_labels

ROOT = Path(__file__).parents[3]
EDGE_SCORES = st.sampled_from([0.0, 1e-3, -1e-3, 1.0, -1.0, 20.0, -20.0, 88.5, -104.0, 746.0, -746.0, 1e4, -1e4])
PARAMS: dict[str, dict[str, st.SearchStrategy[Any]]] = {
    "softmax_cross_entropy": {
        "normalize": st.sampled_from(["count", "sum", "none"]),
        "label_smoothing": st.sampled_from([0.0, 0.3, 1.0]),
        "temperature": st.sampled_from([0.25, 1.0, 3.0]),
    },
    "binary_cross_entropy": {"label_smoothing": st.sampled_from([0.0, 0.3, 1.0])},
    "focal": {
        "gamma": st.sampled_from([0.0, 0.5, 1.0, 2.0, 3.5]),
        "alpha": st.sampled_from([None, 0.0, 0.25, 0.6, 1.0]),
        "soft": st.sampled_from(["arithmetic", "geometric"]),
    },
    "asymmetric": {
        "gamma_neg": st.sampled_from([0.0, 1.0, 4.0, 2.5]),
        "gamma_pos": st.sampled_from([0.0, 0.5, 1.0]),
        "clip": st.sampled_from([0.0, 0.05, 0.3]),
        "eps": st.sampled_from([0.0, 1e-8, 1e-3]),
        "detach_weight": st.booleans(),
    },
}


def arrays(shape: tuple[int, ...], values: st.SearchStrategy[float]) -> st.SearchStrategy[Array]:
    """Numbers of a shape."""
    size = int(np.prod(shape))
    return st.lists(values, min_size=size, max_size=size).map(lambda numbers: np.array(numbers).reshape(shape))


@st.composite
def jobs(draw: st.DrawFn) -> Job:
    """Any small job whose numbers have a meaning."""
    name = draw(st.sampled_from(LOSSES))
    rows, classes = shape = draw(st.integers(1, 6)), draw(st.integers(1, 6))
    scores = draw(arrays(shape, st.floats(-30, 30).map(lambda x: round(x, 2)) | EDGE_SCORES))
    kind = find(name).about.targets
    share = {"real": st.floats(0.1, 3) | st.just(-0.5), "unit": st.floats(0, 1), "binary": st.just(1.0)}[kind]
    targets = draw(arrays(shape, st.just(0.0) | share))
    masked = draw(arrays(shape, st.sampled_from([0, 0, 0, 1, 2])))
    scores[masked == 1], targets[masked == 1] = -np.inf, 0
    options: dict[str, Any] = {"params": {key: draw(value) for key, value in PARAMS.get(name, {}).items() if draw(st.booleans())}}
    if draw(st.booleans()):
        options["mask"] = masked != 2
    form = draw(st.sampled_from(["targets", "labels", "single"]))
    if form == "single":
        indices = draw(st.lists(st.integers(0, classes - 1), min_size=rows, max_size=rows))
        scores[range(rows), indices] = np.where(np.isfinite(scores[range(rows), indices]), scores[range(rows), indices], 0)
        options |= {"labels": single_labels(indices), "ignore_index": draw(st.none() | st.just(indices[0]))}
    else:
        options |= {"targets": targets} if form == "targets" else {"labels": labels_of(targets)}
    weight = st.floats(0, 3).map(lambda x: round(x, 3))
    unit = shape if by_element(name) else (rows,)
    optional = {"class_weight": ((classes,), weight), "sample_weight": ((rows,), st.floats(-1, 3).map(lambda x: round(x, 3)))}
    if by_element(name):
        optional |= {"pos_weight": ((classes,), weight), "element_weight": (shape, weight)}
    options |= {key: draw(arrays(size, values)) for key, (size, values) in optional.items() if draw(st.booleans())}
    reduction, dtype = draw(st.sampled_from(["none", "sum", "mean"])), draw(st.sampled_from(DTYPES))
    if draw(st.booleans()):
        options["grad_output"] = draw(st.sampled_from([0.5, -2.0])) if reduction != "none" else draw(arrays(unit, weight))
    over = draw(st.sampled_from([None, "rows", "elements", "valid", "weights", "positives"]))
    if over == "weights" or over == "positives":
        options.pop("sample_weight", None)  # weights and labels that nearly cancel divide by nearly nothing
        targets[:] = np.abs(targets)
        options |= {"labels": labels_of(targets)} if form == "labels" else {}
    if options["params"].get("normalize") == "sum":
        targets[:] = np.abs(targets)
        options |= {"labels": labels_of(targets)} if form == "labels" else {}
    return Job(loss=find(name), scores=scores, reduction=reduction, mean_over=over, dtype=dtype, **options)


def size(job: Job) -> float:
    """How large the terms are that a job adds up, so that what cancels between them is not asked for."""
    finite = np.abs(job.scores[np.isfinite(job.scores)]).max(initial=1.0)
    sent = (job.class_weight, job.sample_weight, job.element_weight, job.pos_weight)
    weights = [np.abs(weight).max(initial=1.0) for weight in sent if weight is not None]
    upstream = 1.0 if job.grad_output is None else max(1.0, float(np.abs(job.grad_output).max()))
    return float(finite * np.prod(weights) * upstream * 9)


@settings(max_examples=200, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(job=jobs())
def test_runtimes_agree_on_any_job(runtimes: dict[str, Runtime], job: Job) -> None:
    expected = runtimes["pytorch"].run(job)
    found = runtimes["onnx"].run(job)
    for one, other in ((found.loss, expected.loss), (gradient(found), gradient(expected))):
        assert one.shape == other.shape and one.dtype == other.dtype == job.dtype
    tolerance, cancelled = TOLERANCE[job.dtype], size(job) * float(np.finfo(job.dtype).eps) * job.scores.size
    assert_close(found.loss, expected.loss, tolerance, max(1.0, cancelled / tolerance))
    assert_close(gradient(found), gradient(expected), tolerance)


@each_loss
@pytest.mark.parametrize("dtype", DTYPES)
def test_runtimes_refuse_the_same_overflow(name: str, dtype: Any, runtimes: dict[str, Runtime]) -> None:
    large = float(np.finfo(dtype).max) / 1.5
    targets = np.eye(2)
    if name == "asymmetric":
        options: dict[str, Any] = {"params": {"eps": 0.0}}
    else:
        options = {}
    job = Job(loss=find(name), scores=np.where(targets == 1, -large, large), targets=targets, dtype=dtype, reduction="sum", **options)
    said = []
    for each in runtimes.values():
        with pytest.raises(NumericOverflow) as refused:
            each.run(job)
        said.append(refused.value.problems)
    assert said[0] == said[1]


def same_twice(name: str, form: str, dtype: Any) -> list[Job]:
    random = np.random.default_rng(0)
    scores, targets = random.normal(0, 5, (64, 50)), (random.random((64, 50)) < 0.3).astype(np.float64)
    labels = {"targets": targets} if form == "targets" else {"labels": labels_of(targets)}
    return [Job(loss=find(name), scores=scores.copy(), dtype=dtype, **labels) for _ in range(3)]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("form", ["targets", "labels"])
@each_loss
def test_equal_jobs_give_equal_bytes(name: str, form: str, dtype: Any, runtime: Runtime) -> None:
    results = {(result.loss.tobytes(), gradient(result).tobytes()) for result in map(runtime.run, same_twice(name, form, dtype))}
    assert len(results) == 1


def test_what_a_runtime_computed_before_changes_nothing(runtime: Runtime) -> None:
    given_job, *_ = same_twice("focal", "labels", "float32")
    first = runtime.run(given_job)
    runtime.run(Job(loss=find("focal"), scores=np.ones((2, 3)), targets=np.eye(2, 3), params={"gamma": 3.3}))
    runtime.run(Job(loss=find("focal"), scores=np.ones((2, 3)), targets=np.eye(2, 3), params={"gamma": 1.3}))
    assert gradient(runtime.run(given_job)).tobytes() == gradient(first).tobytes()


def test_a_free_parameter_does_not_make_a_new_session(runtimes: dict[str, Runtime]) -> None:
    onnx = cast(OnnxRuntime, runtimes["onnx"])
    onnx.session.cache_clear()
    results = [
        onnx.run(Job(loss=find("focal"), scores=np.ones((1, 2)), targets=np.eye(1, 2), params={"gamma": gamma})).loss
        for gamma in (0.1, 0.3, 1.7, 9.0)
    ]
    assert onnx.session.cache_info().misses == 1 and len({float(loss) for loss in results}) == 4


def large(name: str, shape: tuple[int, int], form: str, dtype: Any, **options: Any) -> Job:
    random = np.random.default_rng(4)
    scores = random.normal(0, 3, shape).astype(np.float32)
    targets = (random.random(shape) < (0.5 if name == "multilabel_margin" else 0.01 if shape[1] > 10 else 0.4)).astype(np.float32)
    labels = {"targets": targets} if form == "targets" else {"labels": labels_of(targets)}
    besides = {"class_weight": random.uniform(0.1, 2, shape[1]).astype(np.float32)}
    return Job(loss=find(name), scores=scores, dtype=dtype, **labels, **besides, **options)


def within(found: Result, expected: Result) -> None:
    """The loss to 1e-5 of itself, the gradient to 1e-5 of its largest element: those of large batches are small."""
    assert_close(found.loss, expected.loss, 1e-5, 1e-30)
    assert_close(gradient(found), gradient(expected), 1e-5, float(np.abs(gradient(expected)).max()))


@pytest.mark.parametrize("form", ["targets", "labels"])
@each_loss
def test_float32_stays_near_float64_in_long_rows(name: str, form: str, runtime: Runtime) -> None:
    found, expected = (runtime.run(large(name, (4, 20_000), form, dtype)) for dtype in DTYPES)
    within(found, expected)


@pytest.mark.parametrize(("name", "mean_over"), [*((name, "weights") for name in LOSSES), ("focal", "positives")])
def test_float32_stays_near_float64_in_many_rows(name: str, mean_over: str, runtime: Runtime) -> None:
    found, expected = (runtime.run(large(name, (200_000, 2), "targets", dtype, mean_over=mean_over)) for dtype in DTYPES)
    within(found, expected)


def test_runtimes_agree_in_large_batches(runtimes: dict[str, Runtime]) -> None:
    for name in LOSSES:
        job = large(name, (4, 20_000), "labels", "float64", reduction="none")
        one, other = (each.run(job) for each in runtimes.values())
        assert_close(one.loss, other.loss, 1e-10)
        assert_close(gradient(one), gradient(other), 1e-10)


def test_the_softmax_of_sparse_labels_takes_no_dense_copy_of_them_on_the_way_in() -> None:
    scores = np.zeros((50, 20_000), np.float32)
    labels = single_labels(np.arange(50))
    tracemalloc.start()
    Job(loss=find("softmax"), scores=scores, labels=labels)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < scores.nbytes / 4


def test_a_runtime_warms_up_on_every_loss(runtime: Runtime) -> None:
    runtime.warm_up()
    assert {job.loss.name for job in warm_up_jobs()} == set(catalogue())


def test_a_runtime_says_its_name_and_device(runtimes: dict[str, Runtime]) -> None:
    assert {name: each.name for name, each in runtimes.items()} == {"pytorch": "pytorch", "onnx": "onnx"}
    assert {each.device for each in runtimes.values()} == {"cpu"}


def test_all_but_the_pytorch_runtime_does_without_torch() -> None:
    program = """
        import sys
        sys.modules["torch"] = None  # an import of torch would fail here
        import numpy as np
        import models.contract, models.catalogue, models.export, models.kernel, models.runtimes.onnx
        from pathlib import Path
        onnx = models.runtimes.onnx.OnnxRuntime(models.export.Graphs(Path("nothing")))
        for name, loss in models.catalogue.catalogue().items():
            params = dict(loss.about.example)
            job = models.contract.Job(loss=loss, scores=np.zeros((1, 3)), targets=np.array([[1.0, 0.0, 0.0]]), params=params)
            result = onnx.run(job)
            print(name, float(result.loss) > 0, result.grad.shape)
        del sys.modules["torch"]
        assert not [name for name in sys.modules if name.partition(".")[0] == "torch"]
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(program)], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [f"{name} True (1, 3)" for name in catalogue()]


def test_what_may_only_be_read_is_computed_with_where_it_lies() -> None:
    sent = np.frombuffer(np.arange(6, dtype=np.float32).tobytes(), np.float32).reshape(2, 3)
    torch.set_warn_always(True)
    tensor = PyTorch().to_device(sent)
    torch.set_warn_always(False)
    assert tensor.data_ptr() == sent.ctypes.data
    assert not sent.flags.writeable
