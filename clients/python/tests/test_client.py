"""A client as it is used: in threads and processes, with keys, with whatever a caller has as arrays, and by mistake."""

import copy
import multiprocessing
import pickle
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

import gradwire

SCORES = [[2.0, 0.5, -1.0], [0.1, 1.2, 3.0]]
LABELS = [[0], [1, 2]]
LOSS = pytest.approx(0.67021304)


def test_lists_are_float32_and_arrays_their_own_precision(client: gradwire.Client) -> None:
    for dtype in (np.float32, np.float64):
        reply = client.grad(np.array(SCORES, dtype), labels=LABELS)
        assert (reply.loss.dtype, reply.grad.dtype, reply.grad.shape) == (dtype, dtype, (2, 3))
    assert client.grad(SCORES, labels=LABELS).grad.dtype == np.float32
    assert client.grad(SCORES, labels=LABELS, dtype="float64").grad.dtype == np.float64
    assert client.grad(np.array(SCORES), labels=LABELS, dtype="float32").grad.dtype == np.float32
    assert client.grad([[2, 0], [1, 3]], labels=LABELS[:1] * 2).grad.dtype == np.float32


def test_a_loss_is_a_number_and_a_gradient_may_be_changed(client: gradwire.Client) -> None:
    assert client.loss(SCORES, labels=LABELS).loss == LOSS
    reply = client.grad(SCORES, labels=LABELS, reduction="none")
    assert reply.loss.shape == (2,)
    reply.grad *= 2
    assert float(client.grad(SCORES, labels=LABELS).loss) == LOSS
    assert reply.request_id


@pytest.mark.parametrize(
    "labels",
    [
        LABELS,
        tuple(map(tuple, LABELS)),
        [np.array([0]), np.array([1, 2])],
        np.array([[0, -1], [1, 2]]),
        np.array([[0, -1], [1, 2]], np.int32),
        np.asfortranarray([[0, -1], [1, 2]]),
    ],
)
def test_labels_in_every_form(labels: Any, client: gradwire.Client) -> None:
    assert client.loss(SCORES, labels=labels).loss == LOSS


def test_single_labels_and_rows_without_any(client: gradwire.Client) -> None:
    several = [client.loss(SCORES, labels=each, dtype="float64").loss for each in ([0, 2], np.array([0, 2]), (np.int64(0), np.int32(2)))]
    assert several == [several[0]] * 3
    assert several[0] == pytest.approx(float(client.loss(SCORES, labels=[[0], [2]], dtype="float64").loss))
    assert client.loss(SCORES, labels=[[], []]).loss == 0


def test_an_ignored_row_that_is_padded(client: gradwire.Client) -> None:
    labels = np.array([[-1, -1], [1, 2]])
    ignored = client.grad(SCORES, labels=labels, ignore_index=-1, mean_over="valid")
    assert ignored.loss == client.grad([SCORES[1]], labels=[[1, 2]]).loss and not ignored.grad[0].any()


def test_label_weights_beside_each_form_of_labels(client: gradwire.Client) -> None:
    lists = client.loss(SCORES, labels=LABELS, label_weights=[[0.5], [1.0, 2.0]]).loss
    padded = client.loss(SCORES, labels=np.array([[0, -1], [1, 2]]), label_weights=np.array([[0.5, 0.0], [1.0, 2.0]])).loss
    dense = client.loss(SCORES, [[0.5, 0, 0], [0, 1.0, 2.0]]).loss
    assert lists == pytest.approx(float(dense)) and padded == pytest.approx(float(dense))
    assert client.loss(SCORES, labels=[0, 2], label_weights=[2.0, 1.0]).loss != client.loss(SCORES, labels=[0, 2]).loss


def test_arrays_of_every_memory_order_and_type(client: gradwire.Client) -> None:
    plain = client.grad(np.array(SCORES), [[1, 0, 0], [0, 1, 1]])
    for scores in (np.asfortranarray(SCORES), np.array(SCORES).T.copy().T, np.array(SCORES, ">f8"), np.repeat(SCORES, 2, axis=1)[:, ::2]):
        for targets in (np.array([[1, 0, 0], [0, 1, 1]], bool), np.array([[1, 0, 0], [0, 1, 1]], np.int8)):
            np.testing.assert_array_equal(client.grad(scores, targets).grad, plain.grad)


def test_an_array_of_another_library(client: gradwire.Client) -> None:
    class Frame:
        def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
            return np.array(SCORES)

    assert client.grad(Frame(), labels=LABELS).grad.dtype == np.float64  # type: ignore[arg-type]


def test_every_field_arrives(client: gradwire.Client) -> None:
    def loss(**fields: Any) -> float:
        return float(client.grad(SCORES, [[1, 0, 0], [0, 1, 1]], loss="bce", dtype="float64", **fields).loss)

    plain = loss()
    changes: list[dict[str, Any]] = [
        {"params": {"label_smoothing": np.float32(0.1)}},
        {"class_weight": [1, 2, 3]},
        {"pos_weight": np.float64(2)},
        {"pos_weight": np.array([1.0, 2.0, 3.0])},
        {"sample_weight": (1, 5)},
        {"element_weight": np.ones((2, 3)) * 2},
        {"mask": [[True, True, False], [True, True, True]]},
        {"mean_over": "rows"},
        {"reduction": "sum"},
    ]
    assert all(abs(loss(**change) - plain) > 1e-3 for change in changes)
    assert loss(runtime="onnx") == pytest.approx(plain, rel=1e-10)
    twice = client.grad(SCORES, labels=LABELS, grad_output=2).grad
    np.testing.assert_allclose(twice, client.grad(SCORES, labels=LABELS).grad * 2, rtol=1e-6)


@pytest.mark.parametrize(
    ("job", "words"),
    [
        ({"labels": [[0], [1, 3]]}, "/labels/1/1: class 3 is out of range for C = 3"),
        ({"labels": [[0]]}, "/labels"),
        ({"labels": [[0], [1.5]]}, "/labels/1/0"),
        ({"labels": [0, [1]]}, "/labels"),
        ({"labels": LABELS, "label_weights": [[1.0], [1.0]]}, "/label_weights/1: has 1 weights; labels has 2"),
        ({"labels": np.array([0.5, 1.0])}, "/labels"),
        ({"label_weights": [[1.0], [1.0]], "targets": [[1, 0, 0]] * 2}, "/label_weights: belongs to labels"),
        ({"labels": LABELS, "loss": "focl"}, "no loss named 'focl'; did you mean 'focal'?"),
        ({"labels": LABELS, "params": {"temprature": 1.0}}, "/params/temprature: unknown field; did you mean 'temperature'?"),
        ({"labels": LABELS, "reduction": "average"}, "/reduction"),
        ({"labels": LABELS, "scores": [[1.0, 2.0, 3.0], [1.0]]}, "/scores/1: has 1 numbers; row 0 has 3"),
        ({"labels": LABELS, "scores": [["a", 2.0, 3.0]]}, "/scores/0/0"),
        ({"labels": LABELS, "scores": [1.0, 2.0]}, "/scores"),
        ({"labels": LABELS, "scores": []}, "/scores"),
        ({"labels": LABELS, "scores": [[float("nan"), 1.0, 2.0]] * 2}, "/scores/0/0"),
        ({"labels": LABELS, "scores": [[1e39, 1.0, 2.0]] * 2}, "float64"),
        ({"labels": LABELS, "scores": [[10**400, 1.0, 2.0]] * 2}, "/scores/0/0"),
        ({"labels": [[0], [10**30]]}, "/labels/1/0"),
        ({}, "neither targets nor labels are given"),
        ({"labels": LABELS, "targets": [[1, 0, 0]] * 2}, "both targets and labels are given"),
    ],
)
def test_wrong_use_is_refused_in_the_words_of_the_service(job: dict[str, Any], words: str, client: gradwire.Client) -> None:
    with pytest.raises(gradwire.Refused) as caught:
        client.grad(**{"scores": SCORES, **job})
    assert words in str(caught.value)
    assert client.grad(SCORES, labels=LABELS).loss == LOSS


def test_what_cannot_be_sent_at_all_is_a_type_error(client: gradwire.Client) -> None:
    with pytest.raises(TypeError):
        client.grad(SCORES, labels=LABELS, params={"temperature": object()})
    with pytest.raises(TypeError, match="unexpected keyword argument 'label'"):
        client.grad(SCORES, label=LABELS)  # type: ignore[call-arg]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"url": "127.0.0.1:8000"}, "url: found '127.0.0.1:8000'; expected http:// or https://"),
        ({"url": "http://"}, "url"),
        ({"url": "http://here/?x=1"}, "url"),
        ({"timeout_s": 0}, "timeout_s: found 0"),
        ({"timeout_s": float("nan")}, "timeout_s: found nan"),
        ({"retries": -1}, "retries: found -1"),
        ({"form": "xml"}, "form: found 'xml'"),
        ({"api_key": "two\nlines"}, "api_key"),
    ],
)
def test_a_client_that_could_not_work_is_not_made(options: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match="^" + words.replace("'", ".")) as caught:
        gradwire.Client(**{"url": "http://here", **options})
    assert "two" not in str(caught.value)


def test_a_key_lets_in_and_is_not_shown(locked: tuple[str, str], form: Any) -> None:
    url, key = locked
    with gradwire.Client(url, key, form=form) as client:
        assert client.grad(SCORES, labels=LABELS).loss == LOSS
        assert key not in repr(client) and url in repr(client)
    for wrong, words in ((None, "a key is required"), ("wrong", "the key is not known")):
        with gradwire.Client(url, wrong, form=form) as client, pytest.raises(gradwire.Refused, match=words) as caught:
            client.grad(SCORES, labels=LABELS)
        assert caught.value.status == 401


@pytest.mark.parametrize("rows", [2_000, 500_000])
def test_a_body_over_the_limit_is_refused_by_name(rows: int, locked: tuple[str, str], form: Any) -> None:
    with gradwire.Client(*locked, form=form) as client:
        with pytest.raises(gradwire.Refused, match="the body is larger than 100000 bytes") as caught:
            client.grad(np.zeros((rows, 20)), labels=np.zeros(rows, np.int64))
        assert caught.value.status == 413
        assert client.grad(SCORES, labels=LABELS).loss == LOSS


def test_a_large_batch_comes_back_whole(client: gradwire.Client) -> None:
    random = np.random.default_rng(0)
    scores, labels = random.normal(size=(2_000, 100)), random.integers(0, 100, 2_000)
    reply = client.grad(scores, labels=labels)
    p = np.exp(scores - scores.max(1, keepdims=True))
    p /= p.sum(1, keepdims=True)
    expected = p.copy()
    expected[np.arange(2_000), labels] -= 1
    np.testing.assert_allclose(reply.grad, expected / 2_000, rtol=1e-10, atol=1e-14)
    assert reply.loss == pytest.approx(-np.log(p[np.arange(2_000), labels]).mean(), rel=1e-10)


def test_threads_share_a_client(client: gradwire.Client) -> None:
    def ask(i: int) -> bool:
        scores = np.full((3, 4), float(i))
        return bool(client.grad(scores, labels=[[i % 4]] * 3, reduction="sum").grad[0, i % 4] == pytest.approx(-0.75))

    with ThreadPoolExecutor(16) as threads:
        assert all(threads.map(ask, range(200)))


def test_threads_keep_a_connection_each_and_no_more(faults: str, stats: Any) -> None:
    before, barrier = stats()["connections"], threading.Barrier(8)
    with gradwire.Client(f"{faults}/golden/softmax") as client, ThreadPoolExecutor(8) as threads:

        def ask(_: int) -> None:
            barrier.wait()
            for _ in range(10):
                client.grad(np.array(SCORES, np.float32), labels=LABELS, loss="softmax_cross_entropy")

        list(threads.map(ask, range(8)))
        assert 1 <= stats()["connections"] - before <= 8


GOLDEN: dict[str, Any] = {"scores": np.array(SCORES, np.float32), "labels": LABELS, "loss": "softmax_cross_entropy"}


def in_child(client: gradwire.Client, results: Any) -> None:
    results.put(float(client.grad(**GOLDEN).loss))


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_a_child_process_has_connections_of_its_own(method: str, faults: str, stats: Any) -> None:
    with gradwire.Client(f"{faults}/golden/softmax") as client:
        before = stats()["connections"]
        client.grad(**GOLDEN)  # on a connection that is kept, and which the child must not use
        context: Any = multiprocessing.get_context(method)
        results = context.Queue()
        child = context.Process(target=in_child, args=(client, results))
        child.start()
        assert results.get(timeout=20) == LOSS
        child.join(10)
        assert child.exitcode == 0
        client.grad(**GOLDEN)
        assert stats()["connections"] - before == 2


def test_a_client_can_be_copied_and_its_errors_sent_between_processes(live: str) -> None:
    client = gradwire.Client(live, "a key", timeout_s=5)
    for other in (copy.deepcopy(client), pickle.loads(pickle.dumps(client))):
        assert repr(other) == repr(client)
        assert other.grad(SCORES, labels=LABELS).loss == LOSS
    refusal = gradwire.Refused(422, "title", "detail", [gradwire.FieldError("/a", "b")], 1.0, "id")
    for error in (refusal, gradwire.TimedOut("u", 1.0, "w"), gradwire.BadReply("f", "e"), gradwire.Unreachable("u", "r")):
        other_error = pickle.loads(pickle.dumps(error))
        assert type(other_error) is type(error) and str(other_error) == str(error) and other_error.__dict__ == error.__dict__
    assert str(refusal) == "detail\n/a: b"


def test_a_closed_client_opens_again(live: str) -> None:
    client = gradwire.Client(live + "/")
    with client:
        client.grad(SCORES, labels=LABELS)
    assert client.grad(SCORES, labels=LABELS).loss == LOSS
    client.close()


def test_the_service_hears_of_the_timeout(live: str) -> None:
    scores = np.zeros((400_000, 20))
    began = time.monotonic()
    with gradwire.Client(live, timeout_s=0.05) as client, pytest.raises((gradwire.TimedOut, gradwire.Refused)) as caught:
        client.grad(scores, labels=np.zeros(400_000, np.int64))
    assert time.monotonic() - began < 1.5
    assert not isinstance(caught.value, gradwire.Refused) or caught.value.status == 504
