"""The table of cases, as docs/conformance.md prints it."""

from tests.conformance.cases import CASES


def table() -> str:
    """One row a case: its name, how strongly it is demanded, over what, and by which clause."""
    rows = ["| case | level | over | clause |", "|---|---|---|---|"]
    for case in CASES.values():
        level = f"{case.level} ({case.extension})" if case.advice and case.extension else case.level
        rows.append(f"| `{case.name}` | {level} | {'gRPC' if case.grpc else 'REST'} | {case.clause} |")
    return "\n".join(rows)
