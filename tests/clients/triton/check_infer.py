"""tritonclient over HTTP and gRPC: every datatype, form of labels, option, compression and refusal."""

import sys
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import tritonclient.grpc
import tritonclient.http
from tritonclient.utils import InferenceServerException

sys.path.append(str(Path(__file__).parent.parent))
from expected import LABELS, PADDED, SCORES, TARGETS, TOLERANCE, all_well, check, holds, mean, refused, softmax

MODEL = "softmax_cross_entropy.grad"
PRECISION = {"FP64": np.float64, "FP32": np.float32, "FP16": np.float16, "BF16": ml_dtypes.bfloat16}
HTTP, GRPC = sys.argv[1:3]


def sent(form: Any, name: str, array: Any, datatype: str, **how: Any) -> Any:
    """An input."""
    tensor = form.InferInput(name, list(np.shape(array)), datatype)
    tensor.set_data_from_numpy(np.asarray(array), **how)
    return tensor


def scores(form: Any, datatype: str = "FP32", **how: Any) -> Any:
    """The scores in a precision."""
    return sent(form, "scores", SCORES.astype(PRECISION[datatype]), datatype, **how)


def labels(form: Any, **how: Any) -> Any:
    """The labels, padded."""
    return sent(form, "labels", PADDED, "INT64", **how)


def every_check(form: Any, client: Any) -> None:
    """Whatever both forms have."""
    about = form.__name__
    holds(f"{about}: live, ready, and the model too", client.is_server_live() and client.is_server_ready() and client.is_model_ready(MODEL))
    holds(f"{about}: a version is ready", client.is_model_ready(MODEL, "1"))
    loss, grad = mean()
    for datatype, tolerance in TOLERANCE.items():
        reply = client.infer(MODEL, [scores(form, datatype), labels(form)])
        check(f"{about}: loss in {datatype}", reply.as_numpy("loss"), loss, tolerance)
        check(f"{about}: gradient in {datatype}", reply.as_numpy("grad"), grad, tolerance)
        holds(f"{about}: replies in {datatype}", output(reply, "grad")["datatype"] == datatype)
    dense = [scores(form), sent(form, "targets", TARGETS.astype(np.float32), "FP32")]
    check(f"{about}: dense targets", client.infer(MODEL, dense).as_numpy("grad"), grad)
    bits = [scores(form), sent(form, "targets", TARGETS.astype(bool), "BOOL")]
    check(f"{about}: targets that are booleans", client.infer(MODEL, bits).as_numpy("grad"), grad)
    flat = np.concatenate(LABELS).astype(np.int32)
    sparse = [scores(form), sent(form, "labels", flat, "INT32"), sent(form, "label_offsets", np.array([0, 1, 3]), "INT64")]
    check(f"{about}: labels with offsets", client.infer(MODEL, sparse).as_numpy("grad"), grad)
    check(f"{about}: the loss alone", client.infer("softmax_cross_entropy", dense).as_numpy("loss"), loss)
    every_option(form, client, about)
    reply = client.infer(MODEL, dense, request_id="no. 7", outputs=[form.InferRequestedOutput("grad")])
    holds(f"{about}: only the output that is asked for", reply.as_numpy("loss") is None and reply.as_numpy("grad").shape == (2, 3))
    holds(f"{about}: the id comes back", "no. 7" in str(reply.get_response()))
    large = np.random.default_rng(0).normal(size=(512, 1000)).astype(np.float32)
    one = np.arange(512).reshape(-1, 1)
    reply = client.infer(MODEL, [sent(form, "scores", large, "FP32"), sent(form, "labels", one, "INT64")])
    check(f"{about}: 512 x 1000", reply.as_numpy("grad"), mean(large, np.eye(1000)[:512])[1])
    wrong = [scores(form), sent(form, "labels", PADDED + 2, "INT64")]
    refused(f"{about}: a class out of range", lambda: client.infer(MODEL, wrong), "out of range for C = 3", InferenceServerException)
    refused(f"{about}: a misspelt model", lambda: client.infer("focl", dense), "did you mean 'focal'", InferenceServerException)
    options = {"gama": 2}
    refused(f"{about}: a parameter", lambda: client.infer(MODEL, dense, parameters=options), "unknown parameter", InferenceServerException)
    check(f"{about}: and the same client goes on", client.infer(MODEL, dense).as_numpy("loss"), loss)


def every_option(form: Any, client: Any, about: str) -> None:
    """Parameters and weights."""
    inputs = [scores(form, "FP64"), labels(form)]
    rows, by_row = softmax(SCORES, TARGETS)
    for reduction, loss, scale in (("none", rows, 1), ("sum", rows.sum(), 1), ("mean", rows.mean(), 0.5)):
        reply = client.infer(MODEL, inputs, parameters={"reduction": reduction})
        check(f"{about}: loss by {reduction}", reply.as_numpy("loss"), loss, 1e-10)
        check(f"{about}: gradient by {reduction}", reply.as_numpy("grad"), by_row * scale, 1e-10)
    reply = client.infer(MODEL, inputs, parameters={"temperature": "2.5", "normalize": "none", "runtime": "onnx"})
    check(f"{about}: parameters of the loss, on ONNX Runtime", reply.as_numpy("grad"), mean(temperature=2.5, normalize=False)[1], 1e-10)
    reply = client.infer(MODEL, [scores(form), labels(form)], parameters={"dtype": "float64"})
    holds(f"{about}: a dtype that is asked for", output(reply, "grad")["datatype"] == "FP64")
    weighted = [*inputs, sent(form, "sample_weight", np.array([1.0, 3.0]), "FP64")]
    check(f"{about}: sample_weight", client.infer(MODEL, weighted).as_numpy("grad"), by_row * [[0.5], [1.5]], 1e-10)
    masked = [*inputs, sent(form, "mask", np.array([[True, False, True], [True, True, True]]), "BOOL")]
    holds(f"{about}: mask", client.infer(MODEL, masked).as_numpy("grad")[0, 1] == 0)
    by_class = [*inputs, sent(form, "class_weight", np.array([1.0, 2.0, 3.0]), "FP64")]
    check(f"{about}: class_weight", client.infer(MODEL, by_class).as_numpy("loss"), class_weighted(), 1e-10)


def class_weighted() -> Any:
    """Each class's term times its weight."""
    p = np.exp(SCORES) / np.exp(SCORES).sum(1, keepdims=True)
    t = TARGETS / TARGETS.sum(1, keepdims=True) * [1, 2, 3]
    return -(t * np.log(p)).sum(1).mean()


def output(reply: Any, name: str) -> dict[str, Any]:
    """What the reply says of an output."""
    found = reply.get_output(name)
    return found if isinstance(found, dict) else {"datatype": found.datatype}


def http_only(client: Any) -> None:
    """JSON, mixtures, compression, and what the server tells."""
    form = tritonclient.http
    loss, grad = mean()
    holds("http: metadata", client.get_server_metadata()["name"] == "gradwire")
    holds("http: the model's metadata", [each["name"] for each in client.get_model_metadata(MODEL)["outputs"]] == ["loss", "grad"])
    holds("http: the index", MODEL in [each["name"] for each in client.get_model_repository_index()])
    holds("http: an unknown model is not ready", not client.is_model_ready("x"))
    before = client.get_inference_statistics(MODEL)["model_stats"][0]["inference_count"]
    for binary in ((False, False), (True, False), (False, True)):
        inputs = [scores(form, binary_data=binary[0]), labels(form, binary_data=binary[1])]
        for outputs in (None, [form.InferRequestedOutput(name, binary_data=name == "grad") for name in ("loss", "grad")]):
            reply = client.infer(MODEL, inputs, outputs=outputs)
            check(f"http: binary {binary} and outputs {'mixed' if outputs else 'binary'}", reply.as_numpy("grad"), grad)
    plain = [form.InferRequestedOutput(name, binary_data=False) for name in ("loss", "grad")]
    for packing in ("gzip", "deflate"):
        reply = client.infer(
            MODEL, [scores(form), labels(form)], request_compression_algorithm=packing, response_compression_algorithm=packing
        )
        check(f"http: {packing} both ways", reply.as_numpy("grad"), grad)
        reply = client.infer(MODEL, [scores(form), labels(form)], outputs=plain, response_compression_algorithm=packing)
        check(f"http: {packing} of JSON", reply.as_numpy("loss"), loss)
    after = client.get_inference_statistics(MODEL)["model_stats"][0]["inference_count"]
    holds("http: statistics count 10 more", after - before == 10)
    waiting = [client.async_infer(MODEL, [scores(form), labels(form)]) for _ in range(8)]
    for each in waiting:
        check("http: async_infer", each.get_result().as_numpy("grad"), grad)


every_check(tritonclient.http, tritonclient.http.InferenceServerClient(HTTP, concurrency=4))
every_check(tritonclient.grpc, tritonclient.grpc.InferenceServerClient(GRPC))
http_only(tritonclient.http.InferenceServerClient(HTTP, concurrency=4))
all_well()
