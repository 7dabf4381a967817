"""The comparison of the languages: the real ones come to PyTorch's weights, and what goes wrong with a program is seen and said."""

import collections
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from examples.train import compare, data, programs, reference, tables
from examples.train.programs import ProgramError
from examples.train.reference import Recipe
from tests.examples.recorder import recorder

ROOT = Path(__file__).parents[2]
LANGUAGES = sorted(file.parent.name for file in (ROOT / "examples" / "train").glob("*/train"))
QUICK = Recipe(epochs=2)


@pytest.mark.skipif(not LANGUAGES, reason="no language has a training program")
def test_every_language_trains_to_the_weights_of_pytorch_in_the_way_that_was_asked_for(live_service: str, tmp_path: Path) -> None:
    with recorder(live_service) as (url, ways):
        command = [sys.executable, "examples/train/compare.py", "--quick", "--url", url, "--out", str(tmp_path / "table.md")]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    table = (tmp_path / "table.md").read_text()
    assert [language for language in LANGUAGES if f"| {language} | binary" in table] == LANGUAGES
    installed = len(LANGUAGES) - table.count("| skipped: ") // len(compare.QUICK)
    requests = installed * QUICK.epochs * 23  # 1437 rows in batches of 64
    assert ways == collections.Counter({("binary", "float64", "pytorch"): requests, ("json", "float32", "onnx"): requests})


@pytest.fixture(scope="module")
def wanted() -> reference.Trained:
    part = data.load("digits").train
    return reference.train(part.features, part.targets, QUICK)


def write_program(folder: Path, name: str, script: str) -> None:
    (folder / name).mkdir()
    file = folder / name / "train"
    file.write_text(f'#!/bin/bash\nwhile [ "$1" != --out ]; do shift; done\n{script}\n')
    file.chmod(0o755)


def writes(folder: Path, name: str, text: str) -> None:
    """A program that writes this as its result, whatever it is asked for."""
    (folder / f"{name}.txt").write_text(text)
    write_program(folder, name, f'cp "{folder / name}.txt" "$2"')


def text_of(trained: reference.Trained, requests: int = 46) -> str:
    head = f"seconds 0.5\nrequests {requests}\nloss {trained.loss:.17g}\nweights {len(trained.weights)}\n"
    return head + "".join(f"{weight:.17g}\n" for weight in trained.weights)


def compared(folder: Path, url: str, *options: str, capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    status = compare.main(["--quick", "--url", url, "--programs", str(folder), *options])
    printed = capsys.readouterr()
    return status, printed.out + printed.err


@pytest.mark.parametrize(
    ("moved", "float64", "float32"),
    [(0.0, "ok", "ok"), (9e-11, "ok", "ok"), (2e-10, "FAILED", "ok"), (2e-5, "FAILED", "FAILED")],
)
def test_a_single_weight_that_is_off_is_seen(
    moved: float,
    float64: str,
    float32: str,
    wanted: reference.Trained,
    live_service: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    weights = wanted.weights.copy()
    weights[1000] += moved
    writes(tmp_path, "off", text_of(reference.Trained(weights, wanted.loss, 0.5)))
    status, said = compared(tmp_path, live_service, capsys=capsys)
    verdicts = ["FAILED" if "FAILED" in line else line.split()[-1] for line in said.splitlines() if " off " in line]
    assert verdicts == [float64, float32]
    assert status == ("FAILED" in (float64, float32))


def test_a_wrong_loss_too_many_requests_or_too_few_weights_are_seen(
    wanted: reference.Trained, live_service: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    writes(tmp_path, "loss", text_of(reference.Trained(wanted.weights, wanted.loss + 1e-3, 0.5)))
    writes(tmp_path, "requests", text_of(wanted, requests=47))
    writes(tmp_path, "weights", text_of(reference.Trained(wanted.weights[1:], wanted.loss, 0.5)))
    status, said = compared(tmp_path, live_service, capsys=capsys)
    assert status == 1
    assert "the loss at the end differs by 1.0e-03" in said
    assert "2311 weights from 47 requests; this training has 2311, from 46" in said
    assert "2310 weights from 46 requests" in said


def test_a_language_that_is_not_installed_is_skipped_with_its_reason_and_fails_where_it_must_not(
    live_service: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_program(tmp_path, "fortran", 'echo "no gfortran is here"; exit 77')
    status, said = compared(tmp_path, live_service, capsys=capsys)
    assert (status, said.count("skipped: no gfortran is here")) == (0, 2)
    assert "2 trainings, 2 skipped." in said
    assert compared(tmp_path, live_service, "--strict", capsys=capsys)[0] == 1


def test_a_program_that_fails_is_named_with_its_last_line_and_the_others_go_on(
    wanted: reference.Trained, live_service: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_program(tmp_path, "a", "echo compiling; echo 'error: a | b' >&2; exit 3")
    write_program(tmp_path, "b", "exit 0")
    writes(tmp_path, "c", text_of(wanted))
    status, said = compared(tmp_path, live_service, "--out", str(tmp_path / "t.md"), capsys=capsys)
    assert status == 1
    assert "FAILED: exit status 3: error: a | b" in said
    assert "FAILED: what it wrote is not as README.md says: [Errno 2] No such file" in said
    assert said.count(" ok\n") == 2
    by_way, by_task, _, trainings = (tmp_path / "t.md").read_text().split("\n\n")
    assert by_way.splitlines()[2:] == [
        "| a | FAILED | FAILED |  |",
        "| b | FAILED | FAILED |  |",
        "| c | 0.0e+00 | 0.0e+00 | 0.50 to 0.50 |",
    ]
    assert by_task.splitlines()[2].endswith("| FAILED | FAILED | 0.0e+00 |")
    assert {line.count("|") for line in trainings.splitlines()} == {len(tables.COLUMNS) + 1}  # a bar in a message is no column
    assert len(trainings.splitlines()) == 2 + 1 + 3 * 2


@pytest.mark.parametrize(
    "options", [["--url", "http://127.0.0.1:1"], ["--language", "cobol"], ["--data", "/nowhere"], ["--out", "/nowhere/t.md"]]
)
def test_what_cannot_be_done_is_said_in_a_line(
    options: list[str], wanted: reference.Trained, live_service: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    writes(tmp_path, "c", text_of(wanted))
    status, said = compared(tmp_path, live_service, *options, capsys=capsys)
    assert status == 1
    assert said.splitlines()[-1].startswith("error: ")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "values to unpack"),
        ("seconds 1\nrequests 2\nloss 3\nweights 2\n1\n", "1 numbers after 'weights 2'"),
        ("seconds 1\nrequests 2\nloss 3\nweights 1\nnan\n", "NaN or an infinity"),
        ("seconds 1\nrequests 2\nloss inf\nweights 1\n1\n", "NaN or an infinity"),
        ("seconds 1\nrequests 2\nloss 3\nweights 1\none\n", "could not convert"),
        ("time 1\nrequests 2\nloss 3\nweights 1\n1\n", "it begins with"),
    ],
)
def test_a_result_that_is_none_is_refused(text: str, says: str, tmp_path: Path) -> None:
    (tmp_path / "out").write_text(text)
    with pytest.raises(ProgramError, match=says):
        programs.result(tmp_path / "out")


def test_a_result_is_read_to_the_last_digit(wanted: reference.Trained, tmp_path: Path) -> None:
    (tmp_path / "out").write_text(text_of(wanted))
    read, requests = programs.result(tmp_path / "out")
    np.testing.assert_array_equal(read.weights, wanted.weights)
    assert (read.loss, read.seconds, requests) == (wanted.loss, 0.5, 46)


def test_a_program_that_hangs_is_ended_with_all_that_it_started(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(programs, "WITHIN_S", 0.5)
    write_program(tmp_path, "slow", f"(sleep 3; touch {tmp_path}/lives) & sleep 60")
    started = time.monotonic()
    with pytest.raises(ProgramError, match=r"not done within 0\.5 s"):
        programs.run([str(tmp_path / "slow" / "train"), "--out", "x"])
    assert time.monotonic() - started < 2.5
    time.sleep(3)
    assert not (tmp_path / "lives").exists()
