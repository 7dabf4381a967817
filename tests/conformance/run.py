"""Running a case: passed, FAILED, skipped, or advice that was not followed."""

from dataclasses import dataclass

from tests.conformance.case import Case, NotApplicable, Unmet
from tests.conformance.server import Server


@dataclass(frozen=True)
class Outcome:
    """How a case ended; the reason is empty where it passed."""

    case: Case
    verdict: str
    reason: str = ""

    def __str__(self) -> str:
        line = f"{self.verdict:8}{self.case.level:31} {self.case.name}"
        return f"{line}: {self.reason} [{self.case.clause}]" if self.reason else f"{line} [{self.case.clause}]"


def lists(extensions: frozenset[str], name: str) -> bool:
    """Whether an extension is listed, whole or in part: "model_repository(index)" is a part of "model_repository"."""
    return any(each.partition("(")[0] == name for each in extensions)


def why_not(case: Case, server: Server) -> str:
    """Why the case cannot be run, or nothing."""
    if case.grpc and server.grpc is None:
        return "no gRPC: give --grpc, and install grpcio and protobuf"
    if case.extension and not lists((server.grpc if case.grpc else server).extensions, case.extension):
        return f"the server's metadata does not list {case.extension}"
    return ""


def run(case: Case, server: Server) -> Outcome:
    """One case."""
    if reason := why_not(case, server):
        return Outcome(case, "skipped", reason)
    unmet = "advice" if case.advice else "FAILED"
    try:
        case.check(server)
    except NotApplicable as reason:
        return Outcome(case, "skipped", str(reason))
    except Unmet as found:
        return Outcome(case, unmet, " ".join(str(found).split()))
    except Exception as surprise:  # whatever a strange reply makes of a case, it must not end the run
        return Outcome(case, unmet, f"{surprise!r} on the way")
    return Outcome(case, "passed")
