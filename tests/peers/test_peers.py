"""Our losses and gradients beside those of named public implementations, each computed by its own package, with its own autograd.

TABLE.md says with which, and what differs and why; where it says that something differs, it is tried that it does. It is written by
`python -m tests.peers.test_peers > tests/peers/TABLE.md`.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models.catalogue import catalogue, find
from models.contract import Job, Result, Runtime
from tests.clients.test_clients import ROOT, environment, run
from tests.models.cases import Array, gradient

HERE = Path(__file__).parent
BUILT = ROOT / "build" / "peers"
Cases = tuple[list[dict[str, Any]], dict[str, Array]]
WITHOUT = {
    "hill": "none of these packages has it; held to two references of the paper's equation",
    "lsep": "none of these packages has it; held to two references of the paper's equation",
    "splc": "none of these packages has it; held to two references of the paper's equation",
    "symmetric_cross_entropy": "none of these packages has it; held to two references of the paper's equation",
}


def computed() -> Cases:
    """What the peers compute, in their own environment: it holds just what is required, without what that would like besides."""
    python = environment(BUILT / "environment", HERE / "requirements.txt", "--no-deps")
    run([python, HERE / "compute.py", BUILT / "computed"])
    with np.load(BUILT / "computed" / "arrays.npz") as arrays:
        return json.loads((BUILT / "computed" / "cases.json").read_text()), dict(arrays)


@pytest.fixture(scope="module")
def cases() -> Cases:
    return computed()


def table(cases: list[dict[str, Any]]) -> str:
    """Loss, peer, and what agrees or differs, in markdown."""
    rows = [f"| {loss} | – | {why} |" for loss, why in WITHOUT.items()]
    rows += list(dict.fromkeys(f"| {each['loss']} | {each['peer']} | {each['note'] or 'agrees'} |" for each in cases))
    return "\n".join(["| loss | peer | loss and gradient |", "|---|---|---|", *sorted(rows), ""])


def ours(case: dict[str, Any], arrays: dict[str, Array], number: int, runtime: Runtime) -> Result:
    """The same batch by us, unreduced."""
    given = {name: arrays[f"{number} {name}"] for name in ("scores", "targets", *case["besides"])}
    if find(case["loss"]).about.targets == "binary":
        given["targets"] = (given["targets"] != 0).astype(float)
    return runtime.run(Job(loss=find(case["loss"]), params=case["params"], reduction="none", dtype="float64", **given))


def reduced(loss: Array, grad: Array, to: int) -> tuple[Array, Array]:
    """Averaged over its last axes until so many are left, as some peers do."""
    while loss.ndim > to:
        loss, grad = loss.mean(-1), grad / loss.shape[-1]
    return loss, grad


def off(found: Array, expected: Array) -> float:
    """The largest difference, relative where the larger of both is above 1; infinite where one of them is no number."""
    assert found.shape == expected.shape
    error = np.abs(found - expected) / np.maximum(1.0, np.maximum(np.abs(found), np.abs(expected)))
    return float(np.nan_to_num(error, nan=np.inf).max())


def test_ours_agree_with_each_peer_as_far_as_the_table_says(cases: Cases, runtime: Runtime) -> None:
    wrong = []
    for number, case in enumerate(cases[0]):
        result, peers = ours(case, cases[1], number, runtime), cases[1][f"{number} loss"]
        loss, grad = reduced(result.loss, gradient(result), peers.ndim)
        worst = max(off(loss, peers), off(grad, cases[1][f"{number} grad"]))
        if (worst <= case["tolerance"]) != (case["expected"] == "agrees"):
            wrong.append(f"{case['loss']}: {case['peer']}, {case['batch']}: off by {worst:.2g}, though it {case['expected']}")
    assert not wrong, "\n".join(wrong)


def test_every_loss_has_a_peer_or_a_reason_for_none(cases: Cases) -> None:
    assert sorted({case["loss"] for case in cases[0]} | set(WITHOUT)) == sorted(catalogue())
    assert not {case["loss"] for case in cases[0]} & set(WITHOUT)


def test_the_table_is_what_was_tried(cases: Cases) -> None:
    written = table(cases[0])
    print(written)
    assert (HERE / "TABLE.md").read_text() == written, "python -m tests.peers.test_peers > tests/peers/TABLE.md"


if __name__ == "__main__":
    print(table(computed()[0]), end="")
