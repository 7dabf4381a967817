"""The advisor: what it counts, what it changes of real data, that its choices never see the test part, and what it calls a difference."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "clients" / "python" / "src"))
from gradwire import Client

from examples.train import advice, advise, data, lockstep, measures, study, trials, variations
from examples.train.label_statistics import statistics
from examples.train.trials import COLUMNS, Candidate, Trial, Way
from examples.train.variations import VARIATIONS, Varied

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def digits() -> data.Data:
    return data.load("digits")


@pytest.fixture(scope="module")
def few(digits: data.Data) -> data.Data:
    return replace(digits, train=data.Part(digits.train.features[:120], digits.train.targets[:120]))


def test_the_statistics_are_what_one_counts_by_hand() -> None:
    found = statistics(np.array([[1, 1, 0, 0], [1, 1, 0, 0], [1, 0, 1, 0], [0, 0, 0, 0], [1, 0, 0, 0]], float))
    assert (found.rows, found.classes, found.labels_a_row, found.density) == (5, 4, 7 / 5, 7 / 20)
    assert (found.rows_without, found.rarest) == (1 / 5, 0)
    assert (found.largest_ratio, found.mean_ratio) == (4, pytest.approx((1 + 2 + 4) / 3))
    pairs = [2 / 24**0.5, 1 / 16**0.5, -2 / 24**0.5]  # (n₁₁n − n₁n₂)/√(…) of the classes that are not constant
    assert found.together == pytest.approx(np.abs(pairs).mean())


def test_labels_of_no_class_or_of_one_have_statistics_too() -> None:
    assert statistics(np.zeros((3, 2))).largest_ratio == 1
    assert statistics(np.array([[1.0], [0.0]])).together == 0


@pytest.mark.parametrize("name", VARIATIONS)
def test_a_variation_is_the_same_every_time_and_leaves_the_test_part_its_labels(name: str, digits: data.Data) -> None:
    one, two = variations.vary(digits, name), variations.vary(digits, name)
    np.testing.assert_array_equal(one.data.train.targets, two.data.train.targets)
    np.testing.assert_array_equal(one.data.train.features, two.data.train.features)
    kept = [digits.classes.index(each) for each in one.data.classes]
    np.testing.assert_array_equal(one.data.test.targets, digits.test.targets[:, kept])
    assert one.data.name == f"digits, {name}"


def test_missing_takes_labels_away_and_noise_turns_them_over_and_both_remember(digits: data.Data) -> None:
    before = digits.train.targets
    for name, share in (("missing", 0.3), ("noise", 0.1)):
        varied = variations.vary(digits, name)
        after = varied.data.train.targets
        np.testing.assert_array_equal(varied.true_targets, before)
        of = before == 1 if name == "missing" else np.ones_like(before, bool)
        assert (before != after)[of].mean() == pytest.approx(share, abs=0.02)
        assert name == "noise" or (after <= before).all()


def test_a_tail_has_rare_classes_fewer_has_as_many_rows_and_empty_has_rows_without_labels(digits: data.Data) -> None:
    tail, fewer, empty = (variations.vary(digits, name) for name in ("tail", "fewer", "empty"))
    assert tail.true_targets is fewer.true_targets is empty.true_targets is None
    assert statistics(tail.data.train.targets).largest_ratio > 10 > 2 > statistics(fewer.data.train.targets).largest_ratio
    assert len(tail.data.train.features) == len(fewer.data.train.features) == len(tail.data.train.targets)
    assert statistics(empty.data.train.targets).rows_without == pytest.approx(0.2, abs=0.02)  # 2 digits of 10


def test_the_fast_measures_are_those_of_scikit_learn() -> None:
    random = np.random.default_rng(0)
    for steps in (5, 1000):  # with many ties, with few
        for _ in range(20):
            truth, values = (random.random((30, 5)) < 0.3).astype(float), random.integers(0, steps, (30, 5)) / steps
            truth[:, 4] = 0
            found = values > 0.5
            assert trials.f1(truth, found) == pytest.approx(tuple(measures.f1(truth, found).values()))
            assert trials.mean_average_precision(truth, values) == pytest.approx(measures.mean_average_precision(truth, values))
            assert trials.label_ranking(truth, values) == pytest.approx(study.label_ranking(truth, values))


def test_a_class_has_the_threshold_that_is_best_for_it_and_without_labels_the_common_one() -> None:
    truth = np.array([[1, 0, 0], [0, 1, 0], [0, 1, 0], [1, 0, 0]], float)
    values = np.array([[0.9, 0.1, 0.5], [0.8, 0.2, 0.5], [0.1, 0.3, 0.5], [0.85, 0.1, 0.5]])
    rule = trials.rule(truth, values)
    np.testing.assert_allclose(rule.by_class[:2], [0.825, 0.15])
    assert rule.by_class[2] == rule.common == study.best_threshold(truth, values)[0]
    assert trials.measured(truth, values, rule, None)["macro-F1 by class"] == pytest.approx(2 / 3)


@pytest.mark.parametrize(
    ("loss", "what"),
    [("binary_cross_entropy", "nothing"), ("hinge", "nothing"), ("zlpr", "nothing"), ("two_way", "all")]
    + [(each, "rows") for each in ("softmax_cross_entropy", "marginal_softmax", "multilabel_margin")],
)
def test_the_service_says_what_may_be_added_to_scores(loss: str, what: str, few: data.Data, live_service: str) -> None:
    (about,) = (each for each in advise.catalogue(live_service) if each["name"] == loss)
    with Client(live_service) as client:
        assert advise.candidate(client, about, few.train.targets).free == what


def test_scores_that_are_free_in_a_row_are_read_by_p_or_raw_and_have_a_natural_threshold_in_p_alone() -> None:
    free = {what: Candidate("any", free=what) for what in ("nothing", "rows", "all")}
    assert {what: each.readings for what, each in free.items()} == {"nothing": ("score",), "rows": ("p", "score"), "all": ("score",)}
    assert free["rows"].natural_threshold("p", 4) == 1 / 4
    assert free["nothing"].natural_threshold("score", 4) == 1 / 2
    assert free["rows"].natural_threshold("score", 4) is free["all"].natural_threshold("score", 4) is None


def test_losses_of_single_labels_distributions_and_teachers_are_no_candidates_nor_those_that_need_the_unknown(
    live_service: str, capsys: pytest.CaptureFixture[str]
) -> None:
    listed = advise.catalogue(live_service)
    names = {each["name"] for each in advise.for_several_labels(listed)}
    assert {"binary_cross_entropy", "distribution_balanced", "two_way", "softmax_cross_entropy"} <= names
    assert not names & {"generalized_cross_entropy", "sparsemax", "distillation"}
    strange = {"name": "strange", "targets": "unit", "params": {"required": ["secret"]}}
    assert advise.for_several_labels([strange]) == []
    assert "left out: strange, which needs secret" in capsys.readouterr().err


def test_what_a_loss_needs_is_counted_in_the_training_part(few: data.Data, live_service: str) -> None:
    (about,) = (each for each in advise.catalogue(live_service) if each["name"] == "distribution_balanced")
    targets = few.train.targets.copy()
    targets[:, 0] = 0
    with Client(live_service) as client:
        params = advise.candidate(client, about, targets).params
    assert params is not None
    assert params["class_counts"] == [1, *targets.sum(0)[1:]]  # a count must be above 0
    assert params["neg_counts"][1:] == [*(120 - targets.sum(0)[1:])]


def test_networks_that_share_a_request_have_the_gradients_that_each_has_alone(few: data.Data, live_service: str) -> None:
    random = np.random.default_rng(0)
    scores, targets = random.normal(size=(3, 40, 7)), few.train.targets.reshape(3, 40, 7)
    with Client(live_service) as client:
        for about in advise.for_several_labels(advise.catalogue(live_service)):
            loss = advise.candidate(client, about, few.train.targets)
            ask = lockstep.each_gradient if loss.unit == "batch" else lockstep.gradients
            together = ask(client, loss.name, scores, targets, loss.params)
            for ours, one, labels in zip(together, scores, targets, strict=True):
                alone = client.grad(one, labels, loss=loss.name, params=loss.params).grad
                np.testing.assert_allclose(ours, alone, rtol=1e-9, atol=1e-12, err_msg=loss.name)


def test_what_is_chosen_depends_on_held_out_labels_and_not_on_those_of_the_test_part(few: data.Data, live_service: str) -> None:
    other = replace(few, test=data.Part(few.test.features, 1 - few.test.targets))
    loss, rates, epochs = Candidate("zlpr", "row"), (0.001, 0.02), (1, 3)
    with Client(live_service) as client:
        ours, corrected = trials.trials(client, Varied(few, 1 - few.train.targets), loss, 2, rates, epochs)
        (theirs,) = trials.trials(client, Varied(other), loss, 2, rates, epochs)
    assert (ours.chosen_by, corrected.chosen_by) == (trials.AS_GIVEN, trials.TRUE)
    assert ours.chosen == theirs.chosen
    assert ours.chosen["mAP"] != corrected.chosen["mAP"]
    assert (ours.measured["mAP"] != theirs.measured["mAP"]).all()
    assert ours.measured.keys() == set(COLUMNS)


def trial(loss: str, values: list[float], name: str = "songs", chosen_by: str = trials.AS_GIVEN) -> Trial:
    natural = dict.fromkeys(trials.NATURAL, np.full(len(values), np.nan)) if loss == "two_way" else {}
    way = Way(0.03, 40, "p" if "softmax" in loss else "score")
    return Trial(name, loss, chosen_by, dict.fromkeys(COLUMNS, way), dict.fromkeys(COLUMNS, np.array(values)) | natural)


def test_a_difference_is_called_one_only_where_chance_alone_would_hardly_show_it() -> None:
    for comparisons, bound in ((1, 2.776), (10, 5.598), (25, 7.173)):  # Student's t with 4 degrees of freedom, two-sided: tables say so
        for t, verdict in ((bound + 0.01, 1), (bound - 0.01, 0), (-bound - 0.01, -1)):
            away = np.array([-2.0, -1.0, 0.0, 1.0, 2.0])
            assert advice.shown(away + t * away.std(ddof=1) / 5**0.5, comparisons) == verdict


def test_the_tables_have_mean_deviation_and_mark_and_the_conclusion_names_who_is_better() -> None:
    found = [
        trial("binary_cross_entropy", [0.5, 0.501, 0.502]),
        trial("softmax_cross_entropy", [0.7, 0.7, 0.7]),
        trial("softmax_cross_entropy", [0.3, 0.3, 0.3], chosen_by=trials.TRUE),
        trial("two_way", [0.2, 0.5, 0.9]),
    ]
    text = advice.trials_tables(found)
    assert [line for line in text.splitlines() if line.startswith("#")] == ["#### songs", "#### songs, true held-out labels"]
    lines = {line.split()[1]: line for line in text.split("####")[1].splitlines() if line.startswith("|")}
    assert "0.501 ± 0.001" in lines["binary_cross_entropy"]
    assert lines["softmax_cross_entropy"].count("0.700 ± 0.000 ▲") == len(COLUMNS)
    assert "| 0.03 | 40     | p " in lines["softmax_cross_entropy"]
    assert (lines["two_way"].count("| – "), lines["two_way"].count("0.533 ± 0.351  ")) == (2, len(COLUMNS) - 2)
    said = advice.conclusion(found, (0.01, 0.03), (20, 40))
    assert f"Of {4 * len(COLUMNS)} choices 0 are the lowest rate" in said
    rows = [line.split("|")[1:-1] for line in said.splitlines() if line.startswith("| songs")]
    assert [cell.strip() for cell in rows[0]] == ["songs", "micro-F1", "softmax_cross_entropy 0.700", "softmax_cross_entropy", "–"]
    assert len(rows) == 2 * len(COLUMNS)


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "examples/train/advise.py", *map(str, arguments)], cwd=ROOT, capture_output=True, text=True)


def test_the_command_prints_the_tables_and_writes_them(live_service: str, tmp_path: Path) -> None:
    out = tmp_path / "t.md"
    some = ["--seeds", 2, "--epochs", 1, "--losses", "binary_cross_entropy", "distribution_balanced", "--vary", "missing"]
    done = run("--url", live_service, *some, "--out", out)
    assert (done.returncode, done.stdout) == (0, out.read_text())
    assert (
        sum(line.startswith("| distribution_balanced ") for line in done.stdout.splitlines()) == 3
    )  # as it is, missing, and missing with true held-out labels
    assert "digits, missing  distribution_balanced" in done.stderr


def test_statistics_need_no_service(tmp_path: Path) -> None:
    done = run("--url", "http://127.0.0.1:1", "--statistics", "--vary", "tail", "--only-varied", "--out", tmp_path / "t.md")
    assert done.returncode == 0
    assert done.stdout == (tmp_path / "t.md").read_text()
    assert [line.split("|")[1].strip() for line in done.stdout.splitlines()[2:]] == ["digits, tail"]


def test_what_cannot_be_done_is_one_line_and_status_1(live_service: str) -> None:
    for arguments, said in (
        (["--url", "http://127.0.0.1:1"], "error: no catalogue at http://127.0.0.1:1/losses"),
        (["--url", live_service, "--losses", "sparsemax"], "error: no multi-label loss sparsemax; there are asymmetric, binary"),
        (["--statistics", "--data", "nowhere"], "error: nowhere: no folder"),
    ):
        done = run(*arguments)
        assert done.returncode == 1
        assert done.stderr.splitlines()[-1].startswith(said)
    assert run("--only-varied").returncode == run("--seeds", 1).returncode == 2
