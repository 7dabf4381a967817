"""open-inference-grpc, which is generated from the protocol's own .proto, and grpc.health.v1 by bytes packed by hand."""

import asyncio
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import numpy as np
from open_inference.grpc import protocol as pb
from open_inference.grpc.service import GRPCInferenceServiceStub

sys.path.append(str(Path(__file__).parent.parent))
from expected import PADDED, SCORES, TARGETS, TOLERANCE, all_well, asymmetric, binary, check, holds, mean

MODEL = "softmax_cross_entropy.grad"
channel = grpc.insecure_channel(sys.argv[2])
service = GRPCInferenceServiceStub(channel)
RAW = [SCORES.tobytes(), TARGETS.astype(np.float32).tobytes()]


def inputs(*contents: Any) -> list[dict[str, Any]]:
    """Scores and targets, with these contents."""
    heads = [{"name": "scores", "datatype": "FP64", "shape": [2, 3]}, {"name": "targets", "datatype": "FP32", "shape": [2, 3]}]
    return [head | ({"contents": each} if each else {}) for head, each in zip(heads, contents, strict=True)]


def infer(**message: Any) -> Any:
    """One inference."""
    return service.ModelInfer(pb.ModelInferRequest(**{"model_name": MODEL} | message), timeout=20)


def wrong(datatype: str, field: str, number: int) -> dict[str, Any]:
    """Targets that are this number, six times."""
    return {"name": "targets", "datatype": datatype, "shape": [2, 3], "contents": {f"{field}_contents": [number] * 6}}


def refused(about: str, code: grpc.StatusCode, words: str, call: Callable[[], Any] | None = None, **message: Any) -> None:
    """It is refused with this code, and the next call on the channel is answered."""
    try:
        call() if call else infer(**message)
    except grpc.RpcError as error:
        holds(f"{about}: {error.code().name}: {error.details()[:99]}", error.code() is code and words in error.details())
    else:
        raise AssertionError(f"{about}: it was not refused")
    loss = infer(inputs=inputs(None, None), raw_input_contents=RAW).raw_output_contents[0]
    check(f"behind it: {about}", np.frombuffer(loss), mean()[0], 1e-10)


holds("live", service.ServerLive(pb.ServerLiveRequest()).live)
holds("ready", service.ServerReady(pb.ServerReadyRequest()).ready)
holds("the model is ready", service.ModelReady(pb.ModelReadyRequest(name=MODEL)).ready)
holds("its version too", service.ModelReady(pb.ModelReadyRequest(name=MODEL, version="1")).ready)
holds("server metadata", "statistics" in service.ServerMetadata(pb.ServerMetadataRequest()).extensions)
about = service.ModelMetadata(pb.ModelMetadataRequest(name=MODEL))
holds("model metadata", [each.name for each in about.outputs] == ["loss", "grad"] and list(about.versions) == ["1"])
limits = {about.properties[f"grpc_max_{way}_message_bytes"] for way in ("receive", "send")}
holds("the limits of a message are stated", len(limits) == 1 and int(limits.pop()) >= 1 << 20)
reply = infer(inputs=inputs(None, None), raw_input_contents=RAW, id="a", model_version="1")
holds("id, name, version", (reply.id, reply.model_name, reply.model_version) == ("a", MODEL, "1"))
check("raw contents", np.frombuffer(reply.raw_output_contents[1]).reshape(2, 3), mean()[1], 1e-10)
typed = inputs({"fp64_contents": SCORES.reshape(-1)}, {"fp32_contents": TARGETS.reshape(-1)})
options = {"temperature": pb.InferParameter(double_param=2.0), "reduction": pb.InferParameter(string_param="mean")}
reply = infer(inputs=typed, parameters=options)
check("typed contents", np.reshape(reply.outputs[1].contents.fp64_contents, (2, 3)), mean(temperature=2.0)[1], 1e-10)
labels = {"name": "labels", "datatype": "INT64", "shape": [2, 2], "contents": {"int64_contents": PADDED.reshape(-1)}}
reply = infer(inputs=[typed[0], labels])
check("typed labels, padded", np.reshape(reply.outputs[1].contents.fp64_contents, (2, 3)), mean()[1], 1e-10)
of = {"name": "targets", "shape": [2, 3]}
for datatype, field in (("BOOL", "bool"), ("INT8", "int"), ("INT32", "int"), ("UINT8", "uint"), ("UINT64", "uint64"), ("FP32", "fp32")):
    dense = of | {"datatype": datatype, "contents": {f"{field}_contents": TARGETS.astype(int).reshape(-1)}}
    reply = infer(inputs=[typed[0], dense])
    check(f"typed targets in {datatype}: loss", reply.outputs[0].contents.fp64_contents, mean()[0], 1e-10)
    check(f"typed targets in {datatype}: gradient", np.reshape(reply.outputs[1].contents.fp64_contents, (2, 3)), mean()[1], 1e-10)
half = [SCORES.astype(np.float16).tobytes(), RAW[1]]
reply = infer(inputs=[inputs(None, None)[0] | {"datatype": "FP16"}, inputs(None, None)[1]], raw_input_contents=half)
found = np.frombuffer(reply.raw_output_contents[1], np.float16).reshape(2, 3)
check("raw contents in FP16", found, mean(SCORES.astype(np.float16))[1], TOLERANCE["FP16"])
bfloat16 = SCORES.astype(np.float32).view(np.uint32) >> 16  # its upper half is a bfloat16
body = [bfloat16.astype(np.uint16).tobytes(), RAW[1]]
reply = infer(inputs=[inputs(None, None)[0] | {"datatype": "BF16"}, inputs(None, None)[1]], raw_input_contents=body)
found = (np.frombuffer(reply.raw_output_contents[1], np.uint16).astype(np.uint32) << 16).view(np.float32).reshape(2, 3)
check("raw contents in BF16", found, mean((bfloat16 << 16).view(np.float32))[1], TOLERANCE["BF16"])
reply = infer(model_name="binary_cross_entropy.grad", inputs=typed, parameters={"reduction": pb.InferParameter(string_param="none")})
for output, expected in zip(reply.outputs, binary(SCORES, TARGETS), strict=True):
    check(f"binary cross-entropy: {output.name}", np.reshape(output.contents.fp64_contents, (2, 3)), expected, 1e-10)
reply = infer(inputs=typed, parameters={"grad_output": pb.InferParameter(int64_param=4), "runtime": pb.InferParameter(string_param="onnx")})
check("an integer as a parameter", np.reshape(reply.outputs[1].contents.fp64_contents, (2, 3)), 4 * mean()[1], 1e-10)
flag = {"detach_weight": pb.InferParameter(bool_param=True), "reduction": pb.InferParameter(string_param="none")}
reply = infer(model_name="asymmetric.grad", inputs=typed, parameters=flag)
check("a flag as a parameter", np.reshape(reply.outputs[1].contents.fp64_contents, (2, 3)), asymmetric(SCORES, TARGETS)[1], 1e-10)
reply = infer(inputs=typed, outputs=[{"name": "loss"}])
holds("only the output that is asked for", [each.name for each in reply.outputs] == ["loss"])
INVALID, NOT_FOUND = grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.NOT_FOUND
refused("an unknown model", NOT_FOUND, "no model named 'x'", model_name="x")
refused("an unknown version", NOT_FOUND, "the only one is '1'", model_version="7")
refused(
    "raw contents that are cut", INVALID, "takes 48 bytes, found 47", inputs=inputs(None, None), raw_input_contents=[RAW[0][:-1], RAW[1]]
)
refused("too few raw contents", INVALID, "ends before it", inputs=inputs(None, None), raw_input_contents=RAW[:1])
refused("too few numbers", INVALID, "takes 6 numbers", inputs=inputs({"fp64_contents": [1]}, None))
refused("no inputs", INVALID, "/scores")
refused("both contents", INVALID, "raw_input_contents too", inputs=typed, raw_input_contents=RAW)
refused("a parameter without a value", INVALID, "has no value", inputs=typed, parameters={"temperature": pb.InferParameter()})
refused("a number that does not fit", INVALID, "fits INT8", inputs=[typed[0], wrong("INT8", "int", 128)])
refused("contents of another datatype", INVALID, "in int_contents", inputs=[typed[0], wrong("INT8", "uint", 1)])
refused("a datatype that there is not", INVALID, "FP31", inputs=[typed[0], wrong("FP31", "fp32", 1)])
for method in ("ServerMetadata", "ModelReady", "ModelMetadata", "ModelInfer"):
    garbage = channel.unary_unary(f"/inference.GRPCInferenceService/{method}")
    for body in (b"\xff", b"\x0a\x7f", b"\x0b" * 9):
        refused(f"{method} of {body!r}", INVALID, "bytes are no", call=lambda g=garbage, b=body: g(b, timeout=20))
for method, kind in (("ModelReady", pb.ModelReadyRequest), ("ModelMetadata", pb.ModelMetadataRequest)):
    for given, words in (({"name": "x"}, "no model named 'x'"), ({"name": MODEL, "version": "2"}, "the only one is '1'")):
        refused(f"{method} of {given}", NOT_FOUND, words, call=lambda m=method, k=kind, g=given: getattr(service, m)(k(**g), timeout=20))
health = channel.unary_unary("/grpc.health.v1.Health/Check")
for name in (b"", b"inference.GRPCInferenceService"):
    holds(f"health of {name!r}", health(bytes([10, len(name)]) + name if name else b"", timeout=5) == b"\x08\x01")
refused("health of what there is not", NOT_FOUND, "", call=lambda: health(b"\x0a\x01x", timeout=5))
channel.close()


async def many_at_once() -> None:
    """The same stub over a channel of asyncio: eight calls of which every other one is refused."""
    async with grpc.aio.insecure_channel(sys.argv[2]) as channel:
        stub = GRPCInferenceServiceStub(channel)
        asked = {"model_name": MODEL, "inputs": inputs(None, None)}
        calls = [stub.ModelInfer(pb.ModelInferRequest(**asked, raw_input_contents=RAW[: 2 - i % 2]), timeout=20) for i in range(8)]
        for i, reply in enumerate(await asyncio.gather(*calls, return_exceptions=True)):
            if i % 2:
                holds("asyncio: refused", isinstance(reply, grpc.aio.AioRpcError) and reply.code() is INVALID)
            else:
                check("asyncio: answered", np.frombuffer(reply.raw_output_contents[1]).reshape(2, 3), mean()[1], 1e-10)


asyncio.run(many_at_once())
all_well()
