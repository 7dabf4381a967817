"""RemoteLoss is a loss like any of PyTorch's: the judge is PyTorch."""

import copy
import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import gradwire

torch = pytest.importorskip("torch")
F = torch.nn.functional
RemoteLoss = pytest.importorskip("gradwire.torch").RemoteLoss

CUDA = pytest.param("cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"))
DOUBLE = torch.float64
BCE = F.binary_cross_entropy_with_logits


@pytest.fixture
def scores() -> Any:
    torch.manual_seed(0)
    return torch.randn(6, 5, dtype=DOUBLE, requires_grad=True)


@pytest.fixture
def targets() -> Any:
    torch.manual_seed(1)
    return (torch.rand(6, 5) < 0.4).double()


def gradient(loss: Any, scores: Any) -> Any:
    (grad,) = torch.autograd.grad(loss, scores)
    return grad


def softmax(scores: Any, targets: Any, **options: Any) -> Any:
    """As the service's default has it: each of a row's k labels is 1/k; a row without labels has the loss 0."""
    return F.cross_entropy(scores, targets / targets.sum(1, keepdim=True).clamp(min=1), **options)


@pytest.mark.parametrize("reduction", ["none", "sum", "mean"])
@pytest.mark.parametrize(("name", "judge"), [("softmax_cross_entropy", softmax), ("binary_cross_entropy", BCE)])
def test_loss_and_gradient_are_pytorchs(name: str, judge: Any, reduction: str, scores: Any, targets: Any, client: Any) -> None:
    loss, expected = RemoteLoss(client, name, reduction=reduction)(scores, targets), judge(scores, targets, reduction=reduction)
    torch.testing.assert_close(loss, expected)
    upstream = torch.randn_like(expected)
    torch.testing.assert_close(gradient((loss * upstream).sum(), scores), gradient((expected * upstream).sum(), scores))


@pytest.mark.parametrize("reduction", ["none", "sum", "mean"])
@pytest.mark.parametrize("name", ["softmax_cross_entropy", "binary_cross_entropy", "focal", "asymmetric", "zlpr", "multilabel_soft_margin"])
def test_gradcheck(name: str, reduction: str, scores: Any, targets: Any, live: str) -> None:
    loss = RemoteLoss(live, name, reduction=reduction)
    assert torch.autograd.gradcheck(lambda scores: loss(scores, targets), (scores,))


def test_parameters_and_options_reach_the_service(scores: Any, targets: Any, live: str) -> None:
    weight, positive = torch.rand(5, dtype=DOUBLE), torch.rand(5, dtype=DOUBLE) + 1
    loss = RemoteLoss(live, "bce", reduction="sum", class_weight=weight, pos_weight=positive, label_smoothing=0.2)
    expected = BCE(scores, targets * 0.8 + 0.1, weight=weight, pos_weight=positive, reduction="sum")
    torch.testing.assert_close(loss(scores, targets), expected)
    row, mask = torch.rand(6, dtype=DOUBLE), torch.rand(6, 5) < 0.7
    expected = (BCE(scores, targets, reduction="none") * row[:, None] * mask).sum() / mask.sum()
    torch.testing.assert_close(RemoteLoss(live, "bce", mean_over="valid")(scores, targets, sample_weight=row, mask=mask), expected)
    element = torch.rand(6, 5, dtype=DOUBLE)
    torch.testing.assert_close(RemoteLoss(live, "bce")(scores, targets, element_weight=element), BCE(scores, targets, weight=element))


def test_class_indices_are_cross_entropy(scores: Any, live: str) -> None:
    labels, weight = torch.tensor([0, 4, -100, 2, 2, 1]), torch.rand(5, dtype=DOUBLE)
    loss = RemoteLoss(live, "CrossEntropyLoss", class_weight=weight, ignore_index=-100)
    expected = F.cross_entropy(scores, labels, weight=weight)
    for given in (labels, labels.tolist(), labels.int()):
        torch.testing.assert_close(loss(scores, given), expected)
    torch.testing.assert_close(gradient(loss(scores, labels), scores), gradient(expected, scores))


def test_lists_of_labels_are_dense_targets(scores: Any, targets: Any, live: str) -> None:
    lists = [row.nonzero().flatten().tolist() for row in targets]
    loss = RemoteLoss(live)
    torch.testing.assert_close(loss(scores, lists), loss(scores, targets))
    torch.testing.assert_close(loss(scores, lists), loss(scores, targets.bool()))
    torch.testing.assert_close(loss(scores, [torch.tensor(row, dtype=torch.int64) for row in lists]), loss(scores, targets))
    weights = [[0.5] * len(row) for row in lists]
    torch.testing.assert_close(loss(scores, lists, label_weights=weights), loss(scores, targets * 0.5))


@pytest.mark.parametrize("device", ["cpu", CUDA])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("reduction", ["none", "mean"])
def test_every_type_stays_what_it_is(dtype: Any, reduction: str, device: str, scores: Any, targets: Any, live: str) -> None:
    given = scores.detach().to(device, dtype).requires_grad_()
    loss = RemoteLoss(live, reduction=reduction, class_weight=torch.ones(5)).to(device)(given, targets.to(device))
    (loss.sum() * 3).backward()
    assert loss.dtype == given.grad.dtype == dtype and loss.device == given.grad.device == given.device
    exact = given.detach().double().requires_grad_()
    expected = softmax(exact, targets.to(device), reduction=reduction)
    torch.testing.assert_close(loss.double(), expected, atol=0, rtol=2 * torch.finfo(dtype).eps + 1e-12)
    torch.testing.assert_close(given.grad.double(), gradient(expected.sum() * 3, exact), atol=1e-7, rtol=2 * torch.finfo(dtype).eps + 1e-9)


@pytest.mark.parametrize("device", ["cpu", CUDA])
def test_autocast_gives_a_float32_loss(device: str, live: str) -> None:
    layer, rows = torch.nn.Linear(4, 3, device=device), torch.randn(2, 4, device=device)
    with torch.autocast(device, dtype=torch.bfloat16):
        loss = RemoteLoss(live)(layer(rows), [[0], [1, 2]])
    assert loss.dtype == torch.float32
    loss.backward()
    assert layer.weight.grad.abs().sum() > 0


@pytest.mark.parametrize("form", ["binary"], indirect=True)
def test_a_gradient_is_asked_for_only_where_it_is_wanted(scores: Any, targets: Any, client: Any, monkeypatch: Any) -> None:
    asked: list[str] = []
    for name in ("loss", "grad"):
        real = getattr(gradwire.Client, name)
        monkeypatch.setattr(gradwire.Client, name, lambda *a, _real=real, _name=name, **k: asked.append(_name) or _real(*a, **k))
    loss = RemoteLoss(client).eval()
    with torch.no_grad():
        without = loss(scores, targets)
    assert not without.requires_grad and asked == ["loss"]
    with torch.inference_mode():
        loss(scores, targets)
    loss(scores.detach(), targets)
    assert asked == ["loss"] * 3
    loss(scores, targets).backward()
    assert asked == ["loss"] * 3 + ["grad"]
    assert scores.grad is not None


def test_a_step_is_one_request(faults: str, stats: Callable[..., dict[str, int]]) -> None:
    scores = torch.tensor([[2.0, 0.5, -1.0], [0.1, 1.2, 3.0]], requires_grad=True)
    loss = RemoteLoss(f"{faults}/golden/softmax", "softmax_cross_entropy")
    loss.options.pop("reduction")  # the golden request leaves it out
    before = stats()["requests"]
    loss(scores, [[0], [1, 2]]).backward()
    assert stats()["requests"] - before == 1
    torch.testing.assert_close(scores.grad[0], torch.tensor([-0.10720149, 0.087645195, 0.019556286]))


def test_a_second_derivative_is_an_error_and_create_graph_alone_is_none(scores: Any, targets: Any, live: str) -> None:
    loss = RemoteLoss(live)
    (grad,) = torch.autograd.grad(loss(scores, targets), scores, create_graph=True)
    torch.testing.assert_close(grad.detach(), gradient(loss(scores, targets), scores))
    with pytest.raises(NotImplementedError, match="first derivatives only"):
        (grad**2).sum().backward()


def test_gradients_add_up_and_a_graph_may_be_kept(scores: Any, targets: Any, live: str) -> None:
    loss = RemoteLoss(live)(scores, targets)
    loss.backward(retain_graph=True)
    once = scores.grad.clone()
    loss.backward()
    torch.testing.assert_close(scores.grad, once * 2)


def test_it_trains(live: str) -> None:
    torch.manual_seed(0)
    rows, targets = torch.randn(64, 8), (torch.randn(64, 3) > 0).float()
    remote, local = torch.nn.Linear(8, 3), torch.nn.Linear(8, 3)
    local.load_state_dict(remote.state_dict())
    for layer, loss in ((remote, RemoteLoss(live, "bce")), (local, torch.nn.BCEWithLogitsLoss())):
        optimizer = torch.optim.SGD(layer.parameters(), lr=0.5)
        for _ in range(20):
            optimizer.zero_grad()
            loss(layer(rows), targets).backward()
            optimizer.step()
    torch.testing.assert_close(remote.weight, local.weight)


def test_a_compiled_model_may_end_in_it(live: str) -> None:
    layer, loss = torch.nn.Linear(4, 3), RemoteLoss(live)

    def step(rows: Any) -> Any:
        return loss(layer(rows), [[0], [1, 2]])

    rows = torch.randn(2, 4)
    compiled = torch.compile(step, backend="eager")(rows)
    torch.testing.assert_close(compiled, step(rows))
    compiled.backward()
    assert layer.weight.grad.abs().sum() > 0


def test_minus_infinity_masks_a_class(scores: Any, targets: Any, live: str) -> None:
    with torch.no_grad():
        scores[:, 2], targets[:, 2] = -math.inf, 0
    loss = RemoteLoss(live)(scores, targets)
    without = [0, 1, 3, 4]
    torch.testing.assert_close(loss, softmax(scores[:, without], targets[:, without]))
    grad = gradient(loss, scores)
    assert not grad[:, 2].any() and grad.isfinite().all()


def test_what_the_service_refuses_is_raised_in_forward(scores: Any, live: str) -> None:
    with pytest.raises(gradwire.Refused, match="class 5 is out of range for C = 5"):
        RemoteLoss(live)(scores, torch.tensor([0, 1, 2, 3, 4, 5]))
    with pytest.raises(gradwire.Refused, match=r"/params/gama: unknown field; did you mean 'gamma'?"):
        RemoteLoss(live, "focal", gama=2.0)(scores, scores > 0)


def test_it_is_a_module(live: str) -> None:
    loss = RemoteLoss(gradwire.Client(live), "focal", class_weight=[1.0, 2.0], gamma=1.5)
    assert repr(loss) == f"RemoteLoss('{live}', loss='focal', reduction='mean', params={{'gamma': 1.5}})"
    assert list(loss.state_dict()) == ["class_weight"] and not list(loss.parameters())
    other = copy.deepcopy(torch.nn.Sequential(torch.nn.Linear(2, 2), loss))[1].double()
    assert other.class_weight.dtype == torch.float64
    scores = torch.zeros(1, 2, requires_grad=True)
    assert other(scores, [[0]]) == loss(scores, [[0]])


def test_the_program_in_the_readme_makes_a_step(live: str) -> None:
    readme = (Path(__file__).parent.parent / "README.md").read_text()
    (program,) = [text for text in re.findall(r"^```python\n(.*?)^```", readme, re.MULTILINE | re.DOTALL) if "RemoteLoss" in text]
    model = torch.nn.Linear(4, 3)
    before = model.weight.detach().clone()
    names = {"model": model, "rows": torch.randn(2, 4), "targets": [[0], [1, 2]]}
    exec(program.replace("http://127.0.0.1:8000", live), names | {"optimizer": torch.optim.SGD(model.parameters(), lr=0.1)})
    assert not torch.equal(model.weight, before)
