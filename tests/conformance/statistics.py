"""Cases: what the server counts."""

import time
from typing import Any

from tests.conformance.case import case, expect, member
from tests.conformance.health import UNKNOWN
from tests.conformance.server import Server

STATISTICS = "statistics"
A_DAY_MS = 86_400_000
PARTS = ("success", "fail", "queue", "compute_input", "compute_infer", "compute_output", "cache_hit")


def duration(found: Any) -> int:
    """The count of a $duration_stat."""
    expect(member(found, "ns", int) >= 0, "a negative duration")
    return int(member(found, "count", int))


def stats_at(server: Server, path: str) -> list[dict[str, Any]]:
    """The $model_stat objects of a reply that are about the sample's model."""
    every = member(server.call("GET", path).ok().json(), "model_stats", list)
    return [each for each in every if member(each, "name", str) == server.sample.model]


def counts(server: Server) -> dict[str, int]:
    """What has been counted so far, over all versions."""
    total = dict.fromkeys(("inference_count", "execution_count", "success", "last_inference"), 0)
    for each in stats_at(server, f"{server.model}/stats"):
        for name in ("inference_count", "execution_count"):
            total[name] += member(each, name, int)
        total["success"] += duration(member(each, "inference_stats", dict).get("success"))
        total["last_inference"] = max(total["last_inference"], member(each, "last_inference", int))
    return total


@case("Statistics, Statistics Response JSON Object: model_stats, each with its members and a duration for each part", extension=STATISTICS)
def statistics_have_their_members(server: Server) -> None:
    found = stats_at(server, f"{server.model}/stats")
    expect(found, "no statistics of the model")
    for each in found:
        member(each, "version", str, optional=True)
        for name in ("last_inference", "inference_count", "execution_count"):
            expect(member(each, name, int) >= 0, f"{name} is negative")
        for part in PARTS:
            duration(member(member(each, "inference_stats", dict), part, dict))
        for batch in member(each, "batch_stats", list):
            member(batch, "batch_size", int)
            for part in ("compute_input", "compute_infer", "compute_output"):
                duration(member(batch, part, dict))


@case("Statistics: inference_count, execution_count and success are cumulative counts of successful inferences", extension=STATISTICS)
def statistics_rise_by_inference(server: Server) -> None:
    before = counts(server)
    server.infer().ok()
    after = counts(server)
    for name in ("inference_count", "execution_count", "success"):
        expect(after[name] > before[name], f"{name} {before[name]}, and {after[name]} after an inference")


@case("Statistics: last_inference is the time of the last inference in milliseconds since the epoch", extension=STATISTICS)
def last_inference_is_in_milliseconds(server: Server) -> None:
    server.infer().ok()
    found = counts(server)["last_inference"]
    expect(abs(found - time.time() * 1000) < A_DAY_MS, f"last_inference {found}")


@case("Statistics: success counts successful requests; a refused one is none", extension=STATISTICS)
def refused_inference_is_no_success(server: Server) -> None:
    before = counts(server)
    server.infer({"inputs": []}).refusal()
    after = counts(server)
    expect(after == before, f"{before}, and {after} after a refused inference; is someone else using the server?")


@case("Statistics, HTTP/REST: GET v2/models/stats gives those of all models", extension=STATISTICS)
def statistics_of_all_models(server: Server) -> None:
    expect(stats_at(server, "/v2/models/stats"), "the model is not among them")


@case("Statistics, HTTP/REST: GET v2/models/{name}/versions/{version}/stats", extension=STATISTICS)
def statistics_of_a_version(server: Server) -> None:
    expect(stats_at(server, f"{server.model}/versions/{server.version}/stats"), "no statistics of the version")


@case("Statistics, Statistics Response JSON Error Object: an error status (typically 400) with an error string", extension=STATISTICS)
def statistics_of_an_unknown_model_are_refused(server: Server) -> None:
    server.call("GET", f"{server.model_path(UNKNOWN)}/stats").refusal()
