"""tritonclient, its four clients: what the server tells of itself and of its models."""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tritonclient.utils import InferenceServerException

sys.path.append(str(Path(__file__).parent.parent))
from expected import PADDED, all_well, holds, refused
from four_clients import MODEL, OVER_GRPC, clients, labels, scores


def has(said: Any, name: str) -> Any:
    """A member of a JSON object, or of a message."""
    return said[name] if isinstance(said, Mapping) else getattr(said, name)


def every_health(_form: Any, client: Any, about: str) -> None:
    """Live and ready; an unknown model is not, and gRPC says why."""
    holds(f"{about}: live", client.is_server_live() is True)
    holds(f"{about}: ready", client.is_server_ready() is True)
    holds(f"{about}: the model is ready", client.is_model_ready(MODEL) is True)
    holds(f"{about}: a version is ready", client.is_model_ready(MODEL, "1") is True)


def every_unknown(form: Any, client: Any, about: str) -> None:
    """A model that is not there, whatever is asked of it."""
    for name, version, words in (("focl", "", "did you mean 'focal'"), (MODEL, "2", "the only one is '1'")):
        if form in OVER_GRPC:
            refused(f"{about}: ready: {words}", lambda n=name, v=version: client.is_model_ready(n, v), words, InferenceServerException)
        else:
            holds(f"{about}: not ready: {name}, {version}", client.is_model_ready(name, version) is False)
        for method in (client.get_model_metadata, client.get_inference_statistics):
            refused(f"{about}: {words}", lambda m=method, n=name, v=version: m(n, v), words, InferenceServerException)
    try:
        client.get_model_metadata("x")
    except InferenceServerException as error:
        status = "StatusCode.NOT_FOUND" if form in OVER_GRPC else "404"
        holds(f"{about}: as {status}", error.status() == status and "no model named 'x'" in error.message())


def every_absence(form: Any, client: Any, about: str) -> None:
    """What Triton has and this server has not: the client is told so, and goes on."""
    calls = {
        "a configuration": lambda: client.get_model_config(MODEL),
        "loading": lambda: client.load_model(MODEL),
        "unloading": lambda: client.unload_model(MODEL),
        "tracing": client.get_trace_settings,
        "log settings": client.get_log_settings,
        "CUDA memory": client.get_cuda_shared_memory_status,
    }
    words = "Method not found" if form in OVER_GRPC else "no such path"
    for name, call in calls.items():
        refused(f"{about}: no {name}", call, words, InferenceServerException)
    holds(f"{about}: it goes on", client.is_server_ready() is True)


def every_metadata(_form: Any, client: Any, about: str) -> None:
    """The server, a model, and the index of all."""
    server = client.get_server_metadata()
    holds(f"{about}: the server", has(server, "name") == "gradwire")
    known = {"binary_tensor_data", "parameters", "statistics", "system_shared_memory"}
    holds(f"{about}: its extensions", known <= set(has(server, "extensions")))
    for version in ("", "1"):
        model = client.get_model_metadata(MODEL, version)
        holds(f"{about}: the model", has(model, "name") == MODEL and list(has(model, "versions")) == ["1"])
        inputs = {has(each, "name"): (has(each, "datatype"), [int(size) for size in has(each, "shape")]) for each in has(model, "inputs")}
        holds(f"{about}: its inputs", inputs["scores"] == ("FP32", [-1, -1]) and inputs["label_offsets"] == ("INT64", [-1]))
        holds(f"{about}: its outputs", [has(each, "name") for each in has(model, "outputs")] == ["loss", "grad"])
    index = client.get_model_repository_index()
    states = {has(each, "name"): has(each, "state") for each in (index if isinstance(index, list) else index.models)}
    holds(f"{about}: the index has the loss and its gradient", {MODEL, "focal", "focal.grad"} <= states.keys())
    holds(f"{about}: and all of them are ready", set(states.values()) == {"READY"})
    names = [has(each, "name") for each in has(client.get_inference_statistics(), "model_stats")]
    holds(f"{about}: statistics of each", set(names) == states.keys())


def every_statistic(form: Any, client: Any, about: str) -> None:
    """Three that succeed and one that fails are counted, and the time that they took."""

    def found() -> tuple[int, int, int, int]:
        model = has(client.get_inference_statistics(MODEL), "model_stats")[0]
        stats = has(model, "inference_stats")
        success, fail = has(stats, "success"), has(stats, "fail")
        return int(has(model, "inference_count")), int(has(success, "count")), int(has(success, "ns")), int(has(fail, "count"))

    before = found()
    for _ in range(3):
        client.infer(MODEL, [scores(form), labels(form)])
    wrong = [scores(form), labels(form)]
    wrong[1].set_data_from_numpy(PADDED + 7)
    refused(f"{about}: one that fails", lambda: client.infer(MODEL, wrong), "out of range", InferenceServerException)
    count, success, ns, fail = (after - earlier for after, earlier in zip(found(), before, strict=True))
    holds(f"{about}: statistics rise", (count, success, fail) == (3, 3, 1) and ns > 0)


for each in clients():
    for every in (every_health, every_unknown, every_absence, every_metadata, every_statistic):
        every(*each)
all_well()
