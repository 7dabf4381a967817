"""For each case over REST, a way to be wrong that it must find."""

import struct
from collections.abc import Callable
from typing import Any

from tests.conformance.cases import CASES
from tests.conformance.fake_rest import HEADER, Answer, Ask, Fault


def accepts(ask: Ask, answer: Answer) -> None:
    """Whatever is wrong is answered as if it were right."""
    if answer.status >= 400:
        answer.status, answer.head = 200, {"ready": True}


def answers(status: int, path: str) -> Fault:
    """This status wherever the path ends so."""
    return lambda ask, answer: setattr(answer, "status", status if ask.path.endswith(path) else answer.status)


def changes(path: str, change: Callable[[Any], Any]) -> Fault:
    """The JSON of replies at this path is another; where the change gives something back, that."""

    def fault(ask: Ask, answer: Answer) -> None:
        if ask.path.endswith(path) and answer.status == 200:
            instead = change(answer.head)
            answer.head = answer.head if instead is None else instead

    return fault


def lacks(path: str, *names: Any) -> Fault:
    """The replies at this path lack a member, that of the last name."""

    def change(found: Any) -> None:
        for name in names[:-1]:
            found = found[name]
        found.pop(names[-1], None)

    return changes(path, change)


def inferences(which: Callable[[Any], Any], change: Callable[[Ask, Answer], Any]) -> Fault:
    """Successful inferences whose request is such are answered otherwise."""

    def fault(ask: Ask, answer: Answer) -> None:
        if ask.head is not None and answer.status == 200 and which(ask):
            change(ask, answer)

    return fault


def refused(ask: Ask, answer: Answer) -> None:
    """As if it were wrong."""
    answer.status, answer.head, answer.tail = 400, {"error": "no"}, b""


def all_as_bytes(ask: Ask, answer: Answer) -> None:
    """Every output comes as binary data."""
    for each in answer.head["outputs"]:
        if values := each.pop("data", None):
            answer.tail += struct.pack(f"<{len(values)}f", *values)
            each["parameters"] = {"binary_data_size": 4 * len(values)}


def all_as_json(ask: Ask, answer: Answer) -> None:
    """Every output comes as JSON."""
    for each in answer.head["outputs"]:
        if size := each.pop("parameters", {}).get("binary_data_size"):
            each["data"] = list(struct.unpack(f"<{size // 4}f", answer.tail[:size]))
            answer.tail = answer.tail[size:]


def big_endian(ask: Ask, answer: Answer) -> None:
    """Numbers begin with the wrong end."""
    count = len(answer.tail) // 4
    answer.tail = struct.pack(f">{count}f", *struct.unpack(f"<{count}f", answer.tail))


def off_by_one(ask: Ask, answer: Answer) -> None:
    """The first number is not what was computed."""
    answer.head["outputs"][0]["data"][0] += 1


def says_data_twice(ask: Ask, answer: Answer) -> None:
    """Data in the reply as well as in shared memory."""
    for each in answer.head["outputs"]:
        each["data"] = [0.0]


def always(ask: Ask) -> bool:
    return True


def is_nested(ask: Ask) -> bool:
    return any(isinstance(each.get("data", [0])[0], list) for each in ask.head["inputs"])


def is_binary(ask: Ask) -> bool:
    return HEADER in ask.headers


def asks_for_outputs(ask: Ask) -> bool:
    return "outputs" in ask.head


def counts_failures(found: Any) -> None:
    found["model_stats"][0]["inference_count"] += found["model_stats"][0]["inference_stats"]["fail"]["count"]


def first_output(**members: Any) -> Callable[[Ask, Answer], None]:
    return lambda ask, answer: answer.head["outputs"][0].update(members)


MODEL, INFER, INDEX, STATS = "/models/sum", "/infer", "/repository/index", "/models/sum/stats"
FAULTS: dict[str, Fault] = {
    "server_is_live": answers(503, "/live"),
    "server_is_ready": answers(503, "/health/ready"),
    "model_is_ready": answers(503, f"{MODEL}/ready"),
    "server_live_has_a_body": changes("/live", lambda found: {"live": "yes"}),
    "server_ready_has_a_body": changes("/health/ready", lambda found: {"ready": False}),
    "model_ready_has_a_body": lacks(f"{MODEL}/ready", "name"),
    "unknown_model_is_not_ready": accepts,
    "unknown_model_is_not_ready_in_so_many_words": lambda ask, answer: setattr(answer, "head", None),
    "model_version_is_ready": answers(404, "/versions/1/ready"),
    "server_metadata_has_its_members": lacks("/v2", "extensions"),
    "server_metadata_has_a_path_with_a_slash_too": answers(404, "/v2/"),
    "model_metadata_has_its_members": lacks(MODEL, "platform"),
    "model_metadata_describes_tensors": changes(MODEL, lambda found: found["inputs"][0].update(shape=["n", 3])),
    "model_metadata_names_tensors": changes(MODEL, lambda found: found.update(outputs=[])),
    "platform_is_a_project_and_a_format": changes(MODEL, lambda found: found.update(platform="numpy")),
    "metadata_of_a_version": answers(404, "/versions/1"),
    "names_are_case_sensitive": accepts,
    "inference_names_the_model": lacks(INFER, "model_name"),
    "no_version_in_the_reply_where_there_are_none": lacks(MODEL, "versions"),
    "outputs_are_consistent": inferences(always, lambda ask, answer: answer.head["outputs"][0]["data"].pop()),
    "outputs_are_those_of_the_metadata": changes(MODEL, lambda found: found["outputs"][0].update(datatype="FP64")),
    "inputs_are_those_of_the_metadata": changes(MODEL, lambda found: found["inputs"].append(found["inputs"][0] | {"name": "third"})),
    "all_outputs_come_unasked": inferences(lambda ask: not asks_for_outputs(ask), lambda ask, answer: answer.head["outputs"].pop()),
    "nested_data_gives_what_flat_data_gives": inferences(is_nested, off_by_one),
    "id_comes_back": lacks(INFER, "id"),
    "reply_without_an_id_has_none_or_a_string": changes(INFER, lambda found: found.update(id=None)),
    "empty_parameters_are_accepted": inferences(lambda ask: "parameters" in ask.head, refused),
    "requested_output_is_returned": inferences(asks_for_outputs, lambda ask, answer: answer.head["outputs"].clear()),
    "requested_output_is_returned_alone": inferences(
        asks_for_outputs, lambda ask, answer: answer.head["outputs"].append({"name": "more", "datatype": "FP32", "shape": [0], "data": []})
    ),
    "inference_by_a_version": changes("/versions/1/infer", lambda found: found.update(model_version="2")),
    "inputs_may_come_in_any_order": inferences(lambda ask: ask.head["inputs"][0]["name"] == "right", refused),
    "content_type_may_be_absent": inferences(lambda ask: "Content-Type" not in ask.headers, refused),
    "reply_says_that_it_is_json": inferences(always, lambda ask, answer: answer.headers.update({"Content-Type": "text/plain"})),
    "refusals_blame_the_client": lambda ask, answer: setattr(answer, "status", 500 if answer.status == 400 else answer.status),
    "connection_outlives_refusals": lambda ask, answer: setattr(answer, "hang_up", answer.status >= 400),
    "binary_inputs_give_what_json_gives": inferences(is_binary, off_by_one),
    "json_and_binary_inputs_mix": inferences(lambda ask: is_binary(ask) and any("data" in each for each in ask.head["inputs"]), refused),
    "outputs_are_json_by_default": inferences(is_binary, all_as_bytes),
    "binary_data_gives_a_binary_output": inferences(asks_for_outputs, big_endian),
    "binary_data_output_gives_binary_outputs": inferences(lambda ask: not asks_for_outputs(ask), all_as_json),
    "binary_data_overrides_binary_data_output": inferences(
        lambda ask: ask.head.get("parameters", {}).get("binary_data_output"), all_as_bytes
    ),
    "json_and_binary_outputs_mix": inferences(asks_for_outputs, big_endian),
    "binary_reply_gives_both_lengths": inferences(always, lambda ask, answer: answer.headers.update({HEADER: "7"})),
    "binary_reply_keeps_its_id": inferences(is_binary, lambda ask, answer: answer.head.pop("id", None)),
    "binary_reply_says_that_it_is_bytes": inferences(
        always, lambda ask, answer: answer.headers.update({"Content-Type": "application/json"})
    ),
    "header_length_of_the_whole_body_is_accepted": inferences(is_binary, refused),
    "statistics_have_their_members": lacks(STATS, "model_stats", 0, "inference_stats", "cache_hit"),
    "statistics_rise_by_inference": changes(STATS, lambda found: found["model_stats"][0].update(execution_count=0)),
    "last_inference_is_in_milliseconds": changes(STATS, lambda found: found["model_stats"][0].update(last_inference=1_700_000_000)),
    "refused_inference_is_no_success": changes(STATS, counts_failures),
    "statistics_of_all_models": changes("/v2/models/stats", lambda found: {"model_stats": []}),
    "statistics_of_a_version": answers(404, "/versions/1/stats"),
    "index_lists_the_model": lacks(INDEX, 0, "state"),
    "index_of_ready_models_is_ready": changes(INDEX, lambda found: found.append({"name": "other", "state": "READY", "reason": ""})),
    "index_without_ready_is_the_same_as_false": lambda ask, answer: ask.body == b"{}" and answer.head.clear(),
    "index_gives_reasons": lacks(INDEX, 0, "reason"),
    "index_request_may_be_empty": lambda ask, answer: refused(ask, answer) if not ask.body else None,
    "unknown_model_is_not_loaded": accepts,
    "region_comes_and_goes": changes("/status", lambda found: []),
    "region_status_shows_its_key": changes("/status", lambda found: found[0].update(key="/another")),
    "all_regions_go_at_once": changes("/status", lambda found: [*found, {"name": "stale", "key": "/stale", "offset": 0, "byte_size": 1}]),
    "inputs_in_shared_memory_give_what_json_gives": inferences(lambda ask: b"shared_memory_region" in ask.body, off_by_one),
    "outputs_in_shared_memory_are_what_json_gives": inferences(asks_for_outputs, says_data_twice),
    "memory_that_is_not_there_is_not_registered": accepts,
}
FAULTS |= {name: accepts for name, case in CASES.items() if not case.grpc and name.endswith("_refused")}
