"""The fused kernel as a library, built once by the C++ compiler that is there; whoever reads this imports no torch.

It is made for one version of PyTorch and of its own sources, and lies in a folder of that name: no other is ever loaded. The library
holds the code for several kinds of processor and chooses at run time, so that one image runs on all of them.
"""

import hashlib
import importlib.util
import os
import platform
import shutil
import subprocess
import sys
from importlib import metadata
from pathlib import Path

SOURCES = Path(__file__).parent
COMPILERS = ("g++", "c++")
# -O3 makes vectors of loops, which errno and floating-point traps would forbid; nobody reads them. Inf, NaN and the order of sums stay.
FLAGS = ("-std=c++20", "-O3", "-fno-math-errno", "-fno-trapping-math", "-fPIC")
LINES_SHOWN, TIMEOUT_S = 20, 600


class NotBuilt(Exception):
    """Why there is no library."""


def folder() -> Path:
    """Where an installation keeps just this library: beside its packages."""
    torch = metadata.version("torch")
    digest = hashlib.sha256(" ".join((*FLAGS, torch, platform.machine())).encode())
    for file in sorted((*SOURCES.glob("*.h"), *SOURCES.glob("*.cpp"))):
        digest.update(file.read_bytes())
    return Path(sys.prefix) / "share" / "gradwire" / "native" / f"torch-{torch}-{digest.hexdigest()[:12]}"


def library() -> Path:
    """The library of this version, which may not have been built."""
    return folder() / "gradwire.so"


def build() -> Path:
    """Compile and link the library, which appears whole or not at all; raises NotBuilt where that cannot be."""
    compiler = next(filter(None, map(shutil.which, COMPILERS)), None)
    if compiler is None:
        raise NotBuilt("there is no C++ compiler")
    torch = importlib.util.find_spec("torch")
    include = Path(torch.origin).parent / "include" if torch is not None and torch.origin else None
    if include is None or not include.is_dir():
        raise NotBuilt("PyTorch, or its headers, are not installed")
    file = library()
    file.parent.mkdir(parents=True, exist_ok=True)
    made, part = (file.with_suffix(f".{os.getpid()}{suffix}") for suffix in (".o", ".part"))
    headers = ("-isystem", str(include), "-isystem", str(include / "torch" / "csrc" / "api" / "include"))
    try:
        run([compiler, *FLAGS, "-fopenmp", *headers, "-c", str(SOURCES / "operators.cpp"), "-o", str(made)])
        # Without -fopenmp: the threads are those of the OpenMP that PyTorch brings, and not a second set of them.
        run([compiler, "-shared", str(made), "-o", str(part), f"-L{include.parent / 'lib'}", "-ltorch_cpu", "-lc10"])
        part.replace(file)
    finally:
        made.unlink(missing_ok=True)
        part.unlink(missing_ok=True)
    return file


def run(command: list[str]) -> None:
    """One step; raises NotBuilt with the last lines of what it said."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S)
    except subprocess.TimeoutExpired:
        raise NotBuilt(f"{command[0]} took more than {TIMEOUT_S} s") from None
    if done.returncode:
        raise NotBuilt("\n".join([f"{command[0]} failed:", *done.stderr.splitlines()[-LINES_SHOWN:]]))
