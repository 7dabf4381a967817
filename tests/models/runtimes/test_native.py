"""The fused kernel by itself: against the equations on any job, as an operator of PyTorch, and given what no Job would give it."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings

from models.catalogue import catalogue, find
from models.contract import DTYPES, Job
from models.native import library
from models.runtimes import native
from models.runtimes.pytorch import PyTorch
from tests.models.cases import TOLERANCE, assert_close, gradient, labels_of
from tests.models.runtimes.test_runtimes import jobs, size

ROOT = Path(__file__).parents[3]
FUSED = sorted(native.FUSED)
needed = pytest.mark.skipif(native.missing() is not None, reason=f"fused kernel: {native.missing()}")
each_fused = pytest.mark.parametrize("name", FUSED)


@pytest.fixture(scope="module")
def eager() -> PyTorch:
    return PyTorch(fused=False)


@pytest.fixture
def threads() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def operator(name: str, *tensors: torch.Tensor, **options: Any) -> tuple[torch.Tensor, torch.Tensor]:
    params = native.FUSED[name](find(name).parameters({}, "float64"))
    loss, grad = torch.ops.gradwire.loss_and_grad(name, params, *tensors, **options)
    return loss, grad


def batch(dtype: torch.dtype = torch.float64, shape: tuple[int, int] = (5, 700)) -> tuple[torch.Tensor, torch.Tensor]:
    torch.manual_seed(0)
    return torch.randn(shape, dtype=dtype) * 3, (torch.rand(shape) < 0.3).to(dtype)


def sparse(targets: torch.Tensor) -> dict[str, torch.Tensor]:
    labels = labels_of(targets.numpy())
    return {"labels": torch.from_numpy(labels.indices), "offsets": torch.from_numpy(labels.offsets)}


def test_every_fused_loss_is_one_of_the_catalogue() -> None:
    assert set(FUSED) <= set(catalogue())


@needed
@settings(max_examples=300, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(job=jobs())
def test_it_agrees_with_the_equations_on_any_job(eager: PyTorch, job: Job) -> None:
    expected, found = eager.run(job), PyTorch().run(job)
    assert found.loss.shape == expected.loss.shape and found.loss.dtype == gradient(found).dtype == job.dtype
    tolerance, cancelled = TOLERANCE[job.dtype], size(job) * float(np.finfo(job.dtype).eps) * job.scores.size
    assert_close(found.loss, expected.loss, tolerance, max(1.0, cancelled / tolerance))
    assert_close(gradient(found), gradient(expected), tolerance)


@needed
@each_fused
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("form", ["targets", "labels"])
def test_equal_jobs_give_equal_bytes_at_any_number_of_threads(name: str, dtype: Any, form: str, threads: None) -> None:
    scores, targets = batch(getattr(torch, dtype), (97, 1013))
    given = {"targets": targets} if form == "targets" else sparse(targets)
    found = set()
    for count in (1, 2, 3, 5):
        torch.set_num_threads(count)
        loss, grad = operator(name, scores, reduced=True, divisor=97.0, **given)
        found.add((loss.numpy().tobytes(), grad.numpy().tobytes()))
    assert len(found) == 1


@needed
@each_fused
@pytest.mark.parametrize("reduced", [False, True])
def test_autograd_may_use_it(name: str, reduced: bool) -> None:
    scores, targets = batch(shape=(3, 5))
    scores.requires_grad_()
    weight = torch.rand(5, dtype=torch.float64)
    divisor = 3.0 if reduced else 1.0
    assert torch.autograd.gradcheck(
        lambda x: operator(name, x, targets, class_weight=weight, reduced=reduced, divisor=divisor)[0], scores, rtol=1e-5, atol=1e-8
    )


@needed
@each_fused
def test_it_is_an_operator_as_pytorch_wants_them(name: str) -> None:
    scores, targets = batch(shape=(3, 5))
    params = native.FUSED[name](find(name).parameters({}, "float64"))
    for reduced in (True, False):
        torch.library.opcheck(
            torch.ops.gradwire.loss_and_grad.default, (name, params, scores.requires_grad_(), targets), {"reduced": reduced}
        )


@needed
def test_an_upstream_gradient_is_autograds_to_bring() -> None:
    scores, targets = batch(shape=(3, 5))
    with pytest.raises(ValueError, match="leave out grad_output"):
        operator("zlpr", scores.requires_grad_(), targets, grad_output=torch.ones((), dtype=torch.float64))


@needed
@each_fused
def test_the_gradient_is_written_where_it_is_wanted(name: str, eager: PyTorch) -> None:
    scores, targets = batch(torch.float32)
    job = Job(loss=find(name), scores=scores.numpy(), targets=targets.numpy())
    out = torch.full_like(scores, torch.nan)
    _, grad = native.evaluate(job, PyTorch().to_device, out)
    assert grad is out
    assert_close(out.numpy(), gradient(eager.run(job)), 1e-5)


@needed
@each_fused
def test_the_loss_alone_is_the_same(name: str) -> None:
    scores, targets = batch()
    both, (loss, grad) = operator(name, scores, targets), operator(name, scores, targets, wants_grad=False)
    assert torch.equal(both[0], loss) and grad.numel() == 0


@needed
@each_fused
def test_memory_may_lie_anyhow(name: str) -> None:
    scores, targets = batch()
    expected = operator(name, scores, targets)
    memory = torch.zeros(scores.numel() * 8 + 1, dtype=torch.uint8)
    between_words = torch.frombuffer(memory.numpy(), dtype=torch.float64, count=scores.numel(), offset=1).view(scores.shape)
    between_words.copy_(scores)
    for same in (between_words, scores.T.contiguous().T, torch.stack([scores, scores])[1]):
        found = operator(name, same, targets)
        assert torch.equal(found[0], expected[0]) and torch.equal(found[1], expected[1])


WRONG_LABELS = [
    ([0, 3], [0, 1, 2]),
    ([0, -1], [0, 1, 2]),
    ([0, 2**62], [0, 1, 2]),
    ([0, 1], [0, 1, 3]),
    ([0, 1], [0, 3, 2]),
    ([0, 1], [1, 1, 2]),
    ([0, 1], [0, -(2**63), 2]),
    ([0, 1], [0, 2]),
    ([0, 1], [0, 1, 1, 2]),
]


@needed
@each_fused
@pytest.mark.parametrize(("indices", "offsets"), WRONG_LABELS)
def test_a_label_that_would_be_looked_up_elsewhere_is_refused(name: str, indices: list[int], offsets: list[int]) -> None:
    with pytest.raises(ValueError, match=r"label|offsets"):
        operator(name, torch.zeros(2, 3), labels=torch.tensor(indices), offsets=torch.tensor(offsets))


ONES = torch.ones(2, 3)
WRONG_TENSORS: list[dict[str, Any]] = [
    {"targets": torch.ones(2, 4)},
    {"targets": torch.ones(6)},
    {"targets": ONES.double()},
    {"targets": ONES, "labels": torch.zeros(1, dtype=torch.int64), "offsets": torch.tensor([0, 1, 1])},
    {},
    {"labels": torch.zeros(1, dtype=torch.int64)},
    {"labels": torch.zeros(1, dtype=torch.int32), "offsets": torch.tensor([0, 1, 1])},
    {"labels": torch.zeros(1, dtype=torch.int64), "offsets": torch.tensor([0, 1, 1]), "label_weights": torch.ones(2)},
    {"targets": ONES, "mask": torch.ones(3, dtype=torch.bool)},
    {"targets": ONES, "mask": ONES},
    {"targets": ONES, "class_weight": torch.ones(2)},
    {"targets": ONES, "sample_weight": torch.ones(3)},
    {"targets": ONES, "grad_output": torch.ones(7)},
    {"targets": ONES, "grad_output": ONES, "reduced": True},
    {"targets": ONES, "divisor": 2.0},
]


@needed
@each_fused
@pytest.mark.parametrize("options", WRONG_TENSORS)
def test_a_tensor_of_another_shape_or_dtype_is_refused(name: str, options: dict[str, Any]) -> None:
    with pytest.raises((ValueError, TypeError)):
        operator(name, torch.zeros(2, 3), **options)


@needed
@pytest.mark.parametrize("shape", [(0, 3), (3, 0), (3,), (1, 2, 3)])
def test_scores_without_rows_or_classes_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="scores has shape"):
        operator("zlpr", torch.zeros(shape), torch.zeros(shape))


@needed
def test_sizes_beyond_any_memory_are_refused() -> None:
    huge = torch.zeros(1, 1).expand(2**40, 2**22)
    with pytest.raises(RuntimeError):
        operator("zlpr", huge, huge)


@needed
def test_an_output_that_is_not_the_gradients_is_refused() -> None:
    wrong = [torch.empty(3, 2), torch.empty(2, 3).double(), torch.empty(3, 2).T, ONES]
    for grad in wrong:
        with pytest.raises((ValueError, TypeError, RuntimeError)):
            torch.ops.gradwire.loss_and_grad.out("zlpr", [], ONES, torch.zeros(2, 3), loss=torch.empty(2), grad=grad)
    assert (ONES == 1).all()


@needed
def test_an_unknown_loss_and_a_wrong_number_of_parameters_are_refused() -> None:
    for name, params in (("margin", []), ("focal", [2.0]), ("softmax_cross_entropy", [3.0, 0.0, 1.0]), ("asymmetric", [])):
        with pytest.raises(ValueError, match=name if name != "softmax_cross_entropy" else "no normalize"):
            torch.ops.gradwire.loss_and_grad(name, params, ONES, ONES)


def test_without_the_library_the_equations_run_and_say_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(native, "library", lambda: tmp_path / "nothing.so")
    monkeypatch.setattr(native, "missing", native.missing.__wrapped__)
    runtime = PyTorch()
    assert not runtime.fused and "not built" in runtime.computes_by
    (tmp_path / "nothing.so").write_bytes(b"no library")
    assert not PyTorch().fused
    job = Job(loss=find("zlpr"), scores=np.zeros((1, 2)), targets=np.eye(1, 2))
    assert runtime.run(job).loss > 0


def test_without_a_compiler_it_is_not_built(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(library, "COMPILERS", ("no-such-compiler",))
    with pytest.raises(library.NotBuilt, match="no C\\+\\+ compiler"):
        library.build()


def test_a_compiler_that_fails_leaves_nothing_behind(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(library, "folder", lambda: tmp_path)
    monkeypatch.setattr(library, "COMPILERS", ("false",))
    with pytest.raises(library.NotBuilt, match="failed"):
        library.build()
    assert not list(tmp_path.iterdir())


@needed
def test_building_again_finds_what_is_there() -> None:
    command = [sys.executable, "-m", "models.native", "--required"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0 and str(library.library()) in done.stdout
