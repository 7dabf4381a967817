"""The study: its networks learn as each would alone, its choices never see the test part, and its tables say what was found."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.metrics import f1_score

sys.path.insert(0, str(Path(__file__).parents[2] / "clients" / "python" / "src"))
from gradwire import Client

from examples.train import data, lockstep, reference, study

ROOT = Path(__file__).parents[2]
RATES = (0.001, 0.02)


def small(rows: int = 100) -> data.Part:
    part = data.load("digits").train
    return data.Part(part.features[:rows], part.targets[:rows])


@pytest.mark.parametrize("loss", reference.LOSSES)
def test_networks_in_lockstep_learn_what_each_would_learn_alone_from_torch(loss: str, live_service: str) -> None:
    part, seeds, epochs = small(), (0, 1), 3
    rows = np.stack([np.arange(10, 90), np.arange(20, 100)])
    nets = lockstep.networks([np.random.default_rng(seed) for seed in seeds], RATES, 64, 7)
    start = [each.copy() for each in nets.parameters]
    orders = [np.random.default_rng(seed) for seed in seeds]
    with Client(live_service) as client:
        for done in lockstep.epochs(client, loss, part, rows, orders, nets):
            if done == epochs:
                break
    for m in range(len(seeds) * len(RATES)):
        seed, rate = divmod(m, len(RATES))
        alone = [torch.tensor(each[m], requires_grad=True) for each in start]
        optimizer, order = torch.optim.Adam(alone, lr=RATES[rate]), np.random.default_rng(seeds[seed])
        for _ in range(epochs):
            mixed = order.permutation(rows[seed])
            for batch in (mixed[:64], mixed[64:]):
                optimizer.zero_grad()
                hidden = torch.relu(torch.tensor(part.features[batch]) @ alone[0] + alone[1])
                reference.LOSSES[loss](hidden @ alone[2] + alone[3], torch.tensor(part.targets[batch])).backward()
                optimizer.step()
        for ours, theirs in zip(nets.parameters, alone, strict=True):
            np.testing.assert_allclose(ours[m], theirs.detach().numpy(), atol=1e-8)


def test_the_threshold_has_the_best_micro_f1_that_any_has() -> None:
    random = np.random.default_rng(0)
    for _ in range(20):
        truth = (random.random((9, 4)) < 0.4).astype(float)
        truth[0, 0] = 1
        values = random.integers(0, 6, (9, 4)) / 5  # with ties, 0 and 1
        threshold, score = study.best_threshold(truth, values)
        assert score == pytest.approx(f1_score(truth, values > threshold, average="micro"))
        assert score == pytest.approx(max(f1_score(truth, values > each, average="micro") for each in (-0.1, 0.1, 0.3, 0.5, 0.7, 0.9)))


def test_what_is_chosen_does_not_depend_on_the_labels_of_the_test_part(live_service: str) -> None:
    digits = data.load("digits")
    seen = data.Data("seen", digits.classes, small(), data.Part(digits.test.features, digits.test.targets))
    other = data.Data("other", digits.classes, small(), data.Part(digits.test.features, 1 - digits.test.targets))
    with Client(live_service) as client:
        ours, theirs = (list(study.find(client, each, "zlpr", 2, (1, 3))) for each in (seen, other))
    assert [each.chosen_by for each in ours] == list(study.CRITERIA)
    for one, two in zip(ours, theirs, strict=True):
        assert (one.rate, one.epochs) == (two.rate, two.epochs)
        np.testing.assert_array_equal(one.thresholds, two.thresholds)
        assert (one.measured["mAP"] != two.measured["mAP"]).all()


def finding(loss: str, value: float, chosen_by: str = "mAP") -> study.Finding:
    measured = {name: np.array([value, value + 0.2]) for name in study.COLUMNS}
    return study.Finding("songs", loss, chosen_by, 0.01, 20, np.array([0.4, 0.6]), measured)


def test_the_tables_have_mean_and_deviation_and_who_wins_in_how_many_seeds() -> None:
    both = [
        finding(study.SOFTMAX, 0.5),
        finding(study.BINARY, 0.6),
        finding(study.SOFTMAX, 0.5, "LRAP"),
        finding(study.BINARY, 0.4, "LRAP"),
    ]
    lines = study.report(both).splitlines()
    assert "| 0.01 | 20     | 0.500 ± 0.141 | 0.600 ± 0.141 |" in lines[4]
    assert sum(line.startswith("| songs | softmax_cross_entropy |") for line in lines) == 1
    assert "| songs | mAP       | -0.100 ± 0.000 (0 of 2) |" in lines[-2]
    assert "| songs | LRAP      | +0.100 ± 0.000 (2 of 2) |" in lines[-1]
    assert "minus" not in study.report(both[:1])


def test_the_command_prints_the_tables_and_without_a_service_says_so(live_service: str, tmp_path: Path) -> None:
    command = [sys.executable, "examples/train/study.py", "--seeds", "2", "--epochs", "1", "--losses", study.SOFTMAX, study.BINARY]
    done = subprocess.run(
        [*command, "--url", live_service, "--out", tmp_path / "t.md"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout == (tmp_path / "t.md").read_text()
    assert done.stdout.count("| digits |") == 2 + len(study.CRITERIA)
    failed = subprocess.run([*command, "--url", "http://127.0.0.1:1"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (failed.returncode, failed.stdout) == (1, "")
    assert failed.stderr.startswith("error: ")


def test_what_is_judged_by_p_and_what_by_score_differ_for_a_softmax_alone() -> None:
    random = np.random.default_rng(1)
    scores, truth = random.normal(size=(30, 4)), (random.random((30, 4)) < 0.5).astype(float)
    for loss in reference.LOSSES:
        found = study.measured(loss, truth, scores, 0.3)
        assert found.keys() == set(study.COLUMNS)
        assert (found["mAP"] == found["mAP by score"]) == (loss != study.SOFTMAX)
