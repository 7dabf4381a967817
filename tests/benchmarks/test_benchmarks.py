"""Every benchmark runs to its end with a moment of everything, and writes rows: it checks each answer, and cannot rot."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from benchmarks.batches import FORMS, batch
from benchmarks.report import written
from service.shared_memory import FOLDER

ROOT = Path(__file__).parent.parent.parent
EXPECTED = {
    "wire": ["p50_ms", "p99_ms", "mb_s", "floor_ms"],
    "kernel": ["equations", "memcpy"],
    "service": ["p50_ms", "p99_ms", "requests_s"],
    "scale": [],
    "coalescing": ["alone_us", "merged_us"],
    "peers": ["p50_ms", "p99_ms", "requests_s", "cpu_ms"],
}


@pytest.mark.parametrize("name", EXPECTED)
def test_a_moment_of_it_gives_rows_and_a_table(name: str, tmp_path: Path) -> None:
    out = tmp_path / "rows.json"
    command = [sys.executable, "-m", f"benchmarks.bench_{name}", "--quick", "--out", str(out), *(["--only", ""] if name == "peers" else [])]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert "| -" in done.stdout and "LEFT OUT" not in done.stdout
    rows: list[dict[str, Any]] = [json.loads(line) for line in out.read_text().splitlines()]
    measured = [row for row in rows if "bar" not in row]
    assert measured and all(row["benchmark"] == name and row["machine"]["cpus"] for row in rows)
    assert all(row[key] > 0 for row in measured for key in EXPECTED[name])
    assert not list(FOLDER.glob("gradwire-bench-*"))


def test_a_wrong_element_is_no_answer() -> None:
    given = batch(4, 16)
    right = given.expected.astype(np.float32)
    given.check(right)
    wrong = right.copy()
    wrong[2, 3] *= 1.001
    with pytest.raises(AssertionError, match=r"1 elements of the gradient are wrong, the first at \[2 3\]"):
        given.check(wrong)


def test_every_form_holds_the_same_batch() -> None:
    assert len({form.body(batch(4, 16)) for form in FORMS.values()}) == len(FORMS)


@pytest.mark.parametrize(("number", "text"), [(0.12345, "0.123"), (1234.5, "1,234"), (7, "7"), (None, ""), ("safetensors", "safetensors")])
def test_numbers_are_written_with_three_digits(number: Any, text: str) -> None:
    assert written(number) == text


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_gpu_is_measured(tmp_path: Path) -> None:
    out = tmp_path / "rows.json"
    command = [sys.executable, "-m", "benchmarks.bench_gpu", "--quick", "--only", "focal", "--out", str(out)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert json.loads(out.read_text())["kernel"] > 0


def test_without_a_gpu_the_benchmark_says_so() -> None:
    command = [sys.executable, "-m", "benchmarks.bench_gpu", "--quick", "--only", "focal"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, env={**os.environ, "CUDA_VISIBLE_DEVICES": ""})
    assert done.returncode == 0, done.stderr
    assert "finds no GPU here" in done.stdout
