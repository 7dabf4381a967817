"""open-inference-openapi, which is generated from the protocol's own OpenAPI document: every method that it has."""

import asyncio
import sys
from pathlib import Path
from typing import Any

import numpy as np
from open_inference.openapi.client import AsyncOpenInferenceClient, OpenInferenceClient
from open_inference.openapi.core.api_error import ApiError
from open_inference.openapi.errors import BadRequestError, NotFoundError
from open_inference.openapi.types import InferenceRequest, RequestInput, RequestOutput

sys.path.append(str(Path(__file__).parent.parent))
from expected import PADDED, SCORES, TARGETS, all_well, binary, check, holds, mean, softmax

MODEL = "softmax_cross_entropy.grad"
MASK = np.array([[True, False, True], [True, True, False]])
client = OpenInferenceClient(base_url=f"http://{sys.argv[1]}")


def tensor(name: str, datatype: str, array: Any) -> RequestInput:
    """An input."""
    return RequestInput(name=name, datatype=datatype, shape=list(np.shape(array)), data=np.asarray(array).reshape(-1).tolist())


def request(**more: Any) -> InferenceRequest:
    """Scores and targets, and more."""
    return InferenceRequest(inputs=[tensor("scores", "FP64", SCORES), tensor("targets", "FP32", TARGETS)], **more)


def outputs(reply: Any) -> dict[str, Any]:
    """The outputs by name."""
    return {each.name: np.array(each.data.__root__).reshape(each.shape) for each in reply.outputs}


holds("live", client.check_server_liveness() is None)
holds("ready", client.check_server_readiness() is None)
holds("the model is ready", client.check_model_readiness(MODEL) is None)
holds("its version is ready", client.check_model_version_readiness(MODEL, "1") is None)
about = client.read_server_metadata()
holds("server metadata", about.name == "gradwire" and "binary_tensor_data" in about.extensions)
for metadata in (client.read_model_metadata(MODEL), client.read_model_version_metadata(MODEL, "1")):
    holds("model metadata", metadata.name == MODEL and metadata.versions == ["1"])
    holds("its outputs", [each.name for each in metadata.outputs] == ["loss", "grad"] and metadata.inputs[0].shape == [-1, -1])
    holds("its limits", int(metadata.properties["grpc_max_receive_message_bytes"]) > 0)
for reply in (client.model_infer(MODEL, request=request(id="5")), client.model_version_infer(MODEL, "1", request=request(id="5"))):
    holds("the id and the names", (reply.id, reply.model_name, reply.model_version) == ("5", MODEL, "1"))
    check("the loss", outputs(reply)["loss"], mean()[0], 1e-10)
    check("the gradient", outputs(reply)["grad"], mean()[1], 1e-10)
reply = client.model_infer(MODEL, request=request(parameters={"reduction": "none"}, outputs=[RequestOutput(name="loss")]))
check("an output, a parameter", outputs(reply)["loss"], softmax(SCORES, TARGETS)[0], 1e-10)
holds("only that output", set(outputs(reply)) == {"loss"})
sparse = InferenceRequest(inputs=[tensor("scores", "FP32", SCORES), tensor("labels", "INT64", PADDED)])
check("labels", outputs(client.model_infer(MODEL, request=sparse))["grad"], mean()[1])
flat = [tensor("scores", "FP64", SCORES), tensor("labels", "INT32", [0, 1, 2]), tensor("label_offsets", "INT64", [0, 1, 3])]
check("labels with offsets", outputs(client.model_infer(MODEL, request=InferenceRequest(inputs=flat)))["grad"], mean()[1], 1e-10)
masked = InferenceRequest(inputs=[*sparse.inputs, tensor("mask", "BOOL", MASK)], parameters={"temperature": 2.5, "runtime": "onnx"})
check("a mask, on ONNX Runtime", outputs(client.model_infer(MODEL, request=masked))["grad"], mean(temperature=2.5, mask=MASK)[1])
weights = [tensor("class_weight", "FP64", [1, 2, 3]), tensor("sample_weight", "FP64", [1, 1])]
weighted = InferenceRequest(inputs=[*request().inputs, *weights], parameters={"normalize": "none", "label_smoothing": 0.1})
expected = mean(class_weight=np.array([1, 2, 3]), normalize="none", label_smoothing=0.1)
check("weights and parameters", outputs(client.model_infer(MODEL, request=weighted))["grad"], expected[1], 1e-10)
by_element = client.model_infer("binary_cross_entropy.grad", request=request(parameters={"reduction": "none"}))
check("binary cross-entropy: loss", outputs(by_element)["loss"], binary(SCORES, TARGETS)[0], 1e-10)
check("binary cross-entropy: gradient", outputs(by_element)["grad"], binary(SCORES, TARGETS)[1], 1e-10)
short = InferenceRequest(inputs=[RequestInput(name="scores", datatype="FP32", shape=[2, 3], data=[1.0])])
REFUSALS = {  # 400 and 404 have errors of their own where the protocol's document names them; all else is an ApiError
    "an unknown model": ("check_model_readiness", ("x",), {}, NotFoundError, 404, "no model named 'x'"),
    "an unknown version": ("check_model_version_readiness", (MODEL, "2"), {}, NotFoundError, 404, "the only one is '1'"),
    "metadata of an unknown model": ("read_model_metadata", ("x",), {}, ApiError, 404, "no model named 'x'"),
    "metadata of a version": ("read_model_version_metadata", (MODEL, "2"), {}, ApiError, 404, "the only one is '1'"),
    "a version": ("model_version_infer", (MODEL, "2"), {"request": request()}, ApiError, 404, "the only one is '1'"),
    "an output": ("model_infer", (MODEL,), {"request": request(outputs=[RequestOutput(name="gard")])}, ApiError, 422, "'grad'"),
    "too few numbers": ("model_infer", (MODEL,), {"request": short}, BadRequestError, 400, "takes 6 numbers, found 1"),
    "a parameter": ("model_infer", (MODEL,), {"request": request(parameters={"x": 1})}, ApiError, 422, "unknown parameter"),
}


def is_as_said(name: str, error: ApiError) -> None:
    """The class, the status and the body's `error` of a refusal."""
    *_, kind, status, words = REFUSALS[name]
    holds(f"{name}: {kind.__name__}", type(error) is kind)
    holds(f"{name}: {status}: {words}", error.status_code == status and words in error.body["error"])


for name, (method, given, named, *_) in REFUSALS.items():
    try:
        getattr(client, method)(*given, **named)
    except ApiError as error:
        is_as_said(name, error)
    else:
        raise AssertionError(f"{name}: it was not refused")
    check(f"{name}: the same client goes on", outputs(client.model_infer(MODEL, request=request()))["loss"], mean()[0], 1e-10)


async def every_method() -> None:
    """The same methods of the client for asyncio."""
    client = AsyncOpenInferenceClient(base_url=f"http://{sys.argv[1]}")
    await client.check_server_liveness()
    await client.check_server_readiness()
    await client.check_model_readiness(MODEL)
    await client.check_model_version_readiness(MODEL, "1")
    holds("asyncio: server metadata", (await client.read_server_metadata()).name == "gradwire")
    holds("asyncio: model metadata", (await client.read_model_metadata(MODEL)).name == MODEL)
    holds("asyncio: of a version", (await client.read_model_version_metadata(MODEL, "1")).versions == ["1"])
    replies = [client.model_infer(MODEL, request=request()), client.model_version_infer(MODEL, "1", request=request())]
    for reply in await asyncio.gather(*replies):
        check("asyncio: gathered", outputs(reply)["grad"], mean()[1], 1e-10)
    refused = [getattr(client, method)(*given, **named) for method, given, named, *_ in REFUSALS.values()]
    for name, error in zip(REFUSALS, await asyncio.gather(*refused, return_exceptions=True), strict=True):
        is_as_said(name, error)


asyncio.run(every_method())
all_well()
