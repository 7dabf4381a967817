"""What the Open Inference Protocol tells of the server and its models: metadata, the repository's index, statistics, regions."""

import functools
import json
from collections.abc import Mapping
from importlib import metadata
from typing import Any

from models.contract import Loss, Unit
from service.open_inference import VERSION, Model, models
from service.shared_memory import Region
from service.statistics import ModelStatistics, Stage, Total

NAME = "gradwire"
PLATFORM = "gradwire_loss"
EXTENSIONS = ("binary_tensor_data", "model_repository(index)", "parameters", "statistics")
SHARED_MEMORY = "system_shared_memory"
UNREDUCED: dict[Unit, list[int]] = {"row": [-1], "element": [-1, -1], "batch": [1]}


def server(shared_memory: bool) -> dict[str, Any]:
    """The server."""
    extensions = [*EXTENSIONS, *([SHARED_MEMORY] if shared_memory else [])]
    return {"name": NAME, "version": metadata.version("gradwire-service"), "extensions": extensions}


@functools.lru_cache(1024)
def model(each: Model, most_message_bytes: int) -> dict[str, Any]:
    """A model: which tensors it takes and gives, which parameters, and how large a gRPC message may be either way."""
    return {
        "name": each.name,
        "versions": [VERSION],
        "platform": PLATFORM,
        "inputs": [tensor(*about) for about in inputs(each.loss, each.wants_grad)],
        "outputs": [tensor("loss", "FP32", UNREDUCED[each.loss.about.unit]), *([tensor("grad", "FP32", [-1, -1])] * each.wants_grad)],
        "properties": {
            "parameters": json.dumps(each.loss.params.model_json_schema()),
            "grpc_max_receive_message_bytes": str(most_message_bytes),
            "grpc_max_send_message_bytes": str(most_message_bytes),
        },
    }


def inputs(loss: Loss, wants_grad: bool) -> list[tuple[str, str, list[int]]]:
    """Name, datatype and shape of what a request may hold; a score may be of any floating-point type."""
    by_element = loss.about.unit == "element"
    return [
        ("scores", "FP32", [-1, -1]),
        ("targets", "FP32", [-1, -1]),
        ("labels", "INT64", [-1, -1]),
        ("label_offsets", "INT64", [-1]),
        ("label_weights", "FP32", [-1, -1]),
        ("class_weight", "FP32", [-1]),
        *([("pos_weight", "FP32", [-1]), ("element_weight", "FP32", [-1, -1])] if by_element else []),
        ("sample_weight", "FP32", [-1]),
        ("mask", "BOOL", [-1, -1]),
        *([("grad_output", "FP32", UNREDUCED[loss.about.unit])] if wants_grad else []),
    ]


def tensor(name: str, datatype: str, shape: list[int]) -> dict[str, Any]:
    """A tensor as metadata describes it."""
    return {"name": name, "datatype": datatype, "shape": shape}


def index(ready: bool, only_ready: bool) -> list[dict[str, str]]:
    """Every model of the repository, or those alone that may be asked."""
    if only_ready and not ready:
        return []
    state = {"state": "READY", "reason": ""} if ready else {"state": "UNAVAILABLE", "reason": "the runtimes are not warm yet"}
    return [{"name": name, "version": VERSION} | state for name in models()]


def statistics(name: str, found: ModelStatistics) -> dict[str, Any]:
    """The statistics extension's view: an inference is a request, whatever its number of rows."""
    stages = {word: duration(found.stages.get(stage, Total())) for stage, word in WORDS.items()}
    return {
        "name": name,
        "version": VERSION,
        "last_inference": found.last_ms,
        "inference_count": found.success.count,
        "execution_count": found.success.count,
        "inference_stats": {"success": duration(found.success), "fail": duration(found.fail), **stages, **NO_CACHE},
        "batch_stats": [],
    }


WORDS: dict[Stage, str] = {"wait": "queue", "decode": "compute_input", "run": "compute_infer", "encode": "compute_output"}


NO_CACHE = {name: {"count": 0, "ns": 0} for name in ("cache_hit", "cache_miss")}  # the extension wants them from everyone


def duration(total: Total) -> dict[str, int]:
    """How often, and nanoseconds in all."""
    return {"count": total.count, "ns": total.ns}


def regions(found: Mapping[str, Region]) -> list[dict[str, Any]]:
    """Regions, without the keys of their memory."""
    return [{"name": name, "key": "", "offset": each.offset, "byte_size": each.byte_size} for name, each in found.items()]
