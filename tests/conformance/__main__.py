"""`python -m tests.conformance --url http://127.0.0.1:8000`: check any server of the Open Inference Protocol (KServe V2)."""

import argparse
import sys
from collections import Counter
from pathlib import Path
from typing import Any

from tests.conformance.case import Unmet
from tests.conformance.cases import CASES
from tests.conformance.listing import table
from tests.conformance.rest import connection
from tests.conformance.run import run
from tests.conformance.sample import Sample, from_file, from_metadata
from tests.conformance.server import Server

VERDICTS = ("passed", "FAILED", "advice", "skipped")


def options() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.conformance", description=__doc__)
    parser.add_argument("--url", help="where the server listens, e.g. http://127.0.0.1:8000")
    parser.add_argument("--grpc", metavar="HOST:PORT", help="where it listens for gRPC; those cases are skipped without")
    parser.add_argument("--example", type=Path, metavar="FILE.json", help="a model and a request that it computes")
    parser.add_argument("--model", help="without --example: a model, whose inputs are made up from its metadata")
    parser.add_argument("--shm-prefix", default="gradwire", help="keys of shared memory begin with this (default: %(default)s)")
    parser.add_argument(
        "--assume", action="append", default=[], metavar="EXTENSION", help="run the cases of an extension that REST does not list"
    )
    parser.add_argument("--only", metavar="WORD", default="", help="only the cases with this word in their name")
    parser.add_argument("--list", action="store_true", help="print the table of cases and end")
    found = parser.parse_args()
    if not found.list and (not found.url or not (found.example or found.model)):
        parser.error("give --url and one of --example and --model")
    return found


def sample_of(url: str, example: Path | None, model: str) -> Sample:
    """From the file, or from the server's metadata."""
    if example:
        return from_file(example)
    with connection(url) as link:
        return from_metadata(model, link.send("GET", Server.model_path(model)).ok().json())


def grpc_client(address: str | None) -> Any:
    """A client where there is an address and grpc is installed."""
    try:
        from tests.conformance.grpc_client import GrpcClient
    except ImportError as missing:
        print(f"NO gRPC CASE IS RUN: {missing}", file=sys.stderr)
        return None
    if address is None:
        print("NO gRPC CASE IS RUN: give --grpc HOST:PORT", file=sys.stderr)
        return None
    return GrpcClient(address)


def main() -> int:
    """Print a line a case and a summary; 1 where a case failed, 2 where there is nothing to test."""
    given = options()
    if given.list:
        print(table())
        return 0
    try:
        sample = sample_of(given.url, given.example, given.model)
    except (Unmet, OSError) as problem:
        print(f"no sample: {problem}", file=sys.stderr)
        return 2
    server = Server(given.url, sample, grpc_client(given.grpc), given.shm_prefix, frozenset(given.assume))
    verdicts: Counter[str] = Counter()
    for case in CASES.values():
        if given.only in case.name:
            outcome = run(case, server)
            verdicts[outcome.verdict] += 1
            print(outcome, flush=True)
    print(", ".join(f"{verdicts[each]} {each}" for each in VERDICTS) + f" of {verdicts.total()} cases")
    return 1 if verdicts["FAILED"] else 0


if __name__ == "__main__":
    sys.exit(main())
