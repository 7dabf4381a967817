"""Memory that is used again is nobody else's at that time, and what was in it is never seen."""

import platform
import subprocess
import sys
import threading

import numpy as np
import pytest
import torch

from models.buffers import LEAST_BYTES, LINE_BYTES, Buffers
from models.catalogue import find
from models.contract import Job
from models.runtimes import pytorch
from models.runtimes.pytorch import PyTorch

SIZE = LEAST_BYTES // 4


def address(array: object) -> int:
    return np.asarray(array).ctypes.data


def test_memory_comes_back_when_the_last_view_of_it_is_gone() -> None:
    buffers = Buffers()
    for kept in (
        lambda array: array[1:].reshape(-1, 1)[:, 0],
        lambda array: memoryview(array).cast("B"),
        torch.from_numpy,
        lambda array: torch.from_numpy(array)[3:].numpy(),
    ):
        array = buffers.empty((SIZE,), np.float32)
        where, view = address(array), kept(array)
        del array
        other = buffers.empty((SIZE,), np.float32)
        assert address(other) != where, "somebody still looks at it"
        del view
        assert address(buffers.empty((SIZE,), np.float32)) == where
        del other


def test_memory_fits_and_is_not_much_too_large() -> None:
    buffers = Buffers()
    where = address(buffers.empty((4 * SIZE,), np.float32))
    assert address(buffers.empty((SIZE,), np.float32)) != where
    smaller = buffers.empty((2, SIZE + 1), np.float32)
    assert (address(smaller), smaller.shape, smaller.dtype) == (where, (2, SIZE + 1), np.float32)
    assert address(buffers.empty((5 * SIZE,), np.float32)) != where


def test_no_more_is_kept_than_may_be_and_small_arrays_are_not() -> None:
    buffers = Buffers(3 * (LEAST_BYTES + LINE_BYTES))
    held = [buffers.empty((SIZE,), np.float32) for _ in range(5)]
    addresses = [address(each) for each in held]
    while held:
        del held[0]
    begins = [each - each % LINE_BYTES for each in addresses]
    assert begins == addresses, "of a line"
    assert [-(-each // LINE_BYTES) * LINE_BYTES for each in buffers.kept] == addresses[2:], "the longest unused goes first"
    del held
    small = buffers.empty((SIZE - 1,), np.float32)
    assert small.size == SIZE - 1
    del small
    assert len(buffers.kept) == 3


def test_threads_never_have_the_same_memory() -> None:
    buffers, wrong = Buffers(), []

    def work(mine: int) -> None:
        for _ in range(300):
            array = buffers.empty((SIZE,), np.int32)
            array[::4096] = mine
            other = buffers.empty((SIZE,), np.int32)
            other[::4096] = -mine
            if (array[::4096] != mine).any():
                wrong.append(mine)

    threads = [threading.Thread(target=work, args=(mine,)) for mine in range(1, 9)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert wrong == []


def test_memory_that_comes_back_while_somebody_is_in_there_waits_its_turn() -> None:
    buffers = Buffers()
    array = buffers.empty((SIZE,), np.float32)
    with buffers.lock:
        del array
        assert (len(buffers.given), len(buffers.kept)) == (1, 0)
    other = buffers.empty((SIZE,), np.float32)
    assert (len(buffers.given), len(buffers.kept), other.size) == (0, 0, SIZE)


@pytest.mark.parametrize("loss", ["softmax_cross_entropy", "bce", "focal", "asymmetric", "zlpr", "multilabel_soft_margin"])
def test_a_gradient_does_not_depend_on_what_was_in_its_memory(loss: str, monkeypatch: pytest.MonkeyPatch) -> None:
    buffers, rng = Buffers(), np.random.default_rng(1)
    monkeypatch.setattr(pytorch, "BUFFERS", buffers)
    shape = (64, LEAST_BYTES // 256 + 3)
    scores, targets = rng.standard_normal(shape, np.float32), (rng.random(shape) < 0.01).astype(np.float32)
    scores[0, 5] = -np.inf
    targets[:, 5] = targets[3] = 0
    job = Job(loss=find(loss), scores=scores, targets=targets, reduction="mean")
    runtime = PyTorch()
    if not runtime.fused:
        pytest.skip("no fused kernel")
    first = np.array(runtime.run(job).grad)
    for memory in buffers.kept.values():
        memory[:] = 0xFF  # NaN
    again = runtime.run(job).grad
    assert again is not None
    assert np.array_equal(first, again)
    assert len(buffers.kept) == 0, "it lies there again"


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library")
def test_what_is_freed_is_not_given_back_at_once() -> None:
    script = """
import resource
import numpy as np
from models.buffers import keep_freed
def faults(): return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
def again():
    before = faults()
    for _ in range(20):
        held = [np.ones(1 << 18, np.float32) for _ in range(6)]
        del held
    return faults() - before
again()
first = again()
keep_freed()
again()
print(first, again())
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    before, after = map(int, done.stdout.split())
    assert after < 100 < before
