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
from expected import PADDED, SCORES, TARGETS, all_well, check, holds, mean, refused, softmax

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
refused("an unknown model", lambda: client.check_model_readiness("x"), "no model named 'x'", NotFoundError)
refused("its metadata", lambda: client.read_model_metadata("x"), "no model named 'x'", ApiError)
short = InferenceRequest(inputs=[RequestInput(name="scores", datatype="FP32", shape=[2, 3], data=[1.0])])
refused("a version", lambda: client.model_version_infer(MODEL, "2", request=request()), "the only one is '1'", ApiError)
refused("an output", lambda: client.model_infer(MODEL, request=request(outputs=[RequestOutput(name="gard")])), "'grad'", ApiError)
refused("too few numbers", lambda: client.model_infer(MODEL, request=short), "takes 6 numbers, found 1", BadRequestError)
refused("a parameter", lambda: client.model_infer(MODEL, request=request(parameters={"x": 1})), "unknown parameter", ApiError)
check("and the same client goes on", outputs(client.model_infer(MODEL, request=request()))["loss"], mean()[0], 1e-10)


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


asyncio.run(every_method())
all_well()
