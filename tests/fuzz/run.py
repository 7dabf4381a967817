"""Fuzz one target, guided by coverage: `python -m tests.fuzz.run TARGET --seconds 10`, with atheris (scripts/fuzz installs it).

With a FILE instead, that input alone is tried, for which atheris is not needed. Everything is kept in build/fuzz: what coverage asked to
keep, in corpus/TARGET; inputs that failed, in crashes/TARGET, which are tried first the next time.
"""

import argparse
import resource
import sys
import warnings
from pathlib import Path

FOLDER = Path(__file__).parents[2] / "build" / "fuzz"
INSTRUMENTED = ["service", "models"]
LIMITS = ["-timeout=5", "-rss_limit_mb=1500", "-max_len=4096"]
MOST_MORE_BYTES = 1 << 30  # of address space, for memory that is asked for and never touched


def main() -> None:
    """Fuzz, or try one input."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("target")
    parser.add_argument("file", nargs="?", type=Path, help="an input to try")
    parser.add_argument("--seconds", type=int, default=10)
    asked = parser.parse_args()
    if asked.file:
        from tests.fuzz.targets import TARGETS

        TARGETS[asked.target](asked.file.read_bytes())
    else:
        fuzz(asked.target, asked.seconds)


def fuzz(name: str, seconds: int) -> None:
    """Fuzz until the time is over or an input fails; does not return, for libFuzzer ends the process."""
    import atheris

    with atheris.instrument_imports(include=INSTRUMENTED):
        from tests.fuzz.seeds import SEEDS, TOKENS
        from tests.fuzz.targets import TARGETS
    corpus, crashes, seeds = (FOLDER / kind / name for kind in ("corpus", "crashes", "seeds"))
    for folder in (corpus, crashes, seeds):
        folder.mkdir(parents=True, exist_ok=True)
    for i, seed in enumerate(SEEDS[name]):
        (seeds / f"{i}").write_bytes(seed)
        TARGETS[name](seed)  # what is imported late is not charged to a body
    dictionary = FOLDER / "tokens.dict"
    dictionary.write_text("".join(f'"{quoted(token.encode())}"\n' for token in TOKENS))
    limit_address_space()
    warnings.simplefilter("error")  # as in the suite
    options = [f"-max_total_time={seconds}", f"-dict={dictionary}", f"-artifact_prefix={crashes}/", "-print_final_stats=1", *LIMITS]
    atheris.Setup([sys.argv[0], *options, str(corpus), str(seeds), str(crashes)], TARGETS[name])
    atheris.Fuzz()


def quoted(token: bytes) -> str:
    """A token as libFuzzer's dictionaries have it."""
    return "".join(f"\\x{byte:02x}" for byte in token)


def limit_address_space() -> None:
    """Let an allocation far too large fail, which `judge.refused` reports."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + MOST_MORE_BYTES, resource.RLIM_INFINITY))


if __name__ == "__main__":
    main()
