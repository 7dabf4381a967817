"""tritonclient, its four clients: every datatype, form of labels, weight, option and refusal."""

import sys
from pathlib import Path
from typing import Any

import numpy as np
from tritonclient.utils import InferenceServerException

sys.path.append(str(Path(__file__).parent.parent))
from expected import LABELS, PADDED, SCORES, TARGETS, TOLERANCE, all_well, check, holds, mean, refused, softmax
from four_clients import MODEL, PRECISION, clients, labels, output, scores, sent, targets


def every_datatype(form: Any, client: Any, about: str) -> None:
    """Replies are in the precision of the scores, unless another is asked for."""
    for datatype, tolerance in TOLERANCE.items():
        loss, grad = mean(SCORES.astype(PRECISION[datatype]))
        reply = client.infer(MODEL, [scores(form, datatype), labels(form)])
        check(f"{about}: loss in {datatype}", reply.as_numpy("loss"), loss, tolerance)
        check(f"{about}: gradient in {datatype}", reply.as_numpy("grad"), grad, tolerance)
        holds(f"{about}: replies in {datatype}", {output(reply, name)["datatype"] for name in ("loss", "grad")} == {datatype})
    reply = client.infer(MODEL, [scores(form), labels(form)], parameters={"dtype": "float64"})
    holds(f"{about}: a dtype that is asked for", output(reply, "grad")["datatype"] == "FP64")
    check(f"{about}: and computed in it", reply.as_numpy("grad"), mean(SCORES.astype(np.float32))[1], 1e-10)


def every_form_of_labels(form: Any, client: Any, about: str) -> None:
    """Dense, padded, with offsets, weighted; a row without labels counts in the mean."""
    flat, offsets, weights = np.concatenate(LABELS).astype(np.int32), np.array([0, 1, 3]), np.array([2.0, 0.5, 1.5])
    loss, grad = mean()
    forms = {
        "dense targets": [targets(form)],
        "boolean targets": [sent(form, "targets", TARGETS.astype(bool), "BOOL")],
        "integer targets": [sent(form, "targets", TARGETS.astype(np.uint8), "UINT8")],
        "padded labels": [labels(form)],
        "labels with offsets": [sent(form, "labels", flat, "INT32"), sent(form, "label_offsets", offsets, "INT64")],
    }
    for name, given in forms.items():
        reply = client.infer(MODEL, [scores(form, "FP64"), *given])
        check(f"{about}: {name}: loss", reply.as_numpy("loss"), loss, 1e-10)
        check(f"{about}: {name}: gradient", reply.as_numpy("grad"), grad, 1e-10)
    weighted = [scores(form, "FP64"), *forms["labels with offsets"], sent(form, "label_weights", weights, "FP64")]
    dense = np.array([[2.0, 0, 0], [0, 0.5, 1.5]])
    for normalize in ("count", "sum", "none"):
        reply = client.infer(MODEL, weighted, parameters={"normalize": normalize})
        check(f"{about}: label_weights, by {normalize}", reply.as_numpy("grad"), mean(targets=dense, normalize=normalize)[1], 1e-10)
    none = [scores(form, "FP64"), sent(form, "labels", np.array([[-1, -1], [1, 2]]), "INT64")]
    check(f"{about}: a row without labels", client.infer(MODEL, none).as_numpy("grad"), mean(targets=TARGETS * [[0], [1]])[1], 1e-10)


def every_option(form: Any, client: Any, about: str) -> None:
    """Parameters and weights."""
    inputs = [scores(form, "FP64"), labels(form)]
    rows, by_row = softmax(SCORES, TARGETS)
    for reduction, loss, scale in (("none", rows, 1), ("sum", rows.sum(), 1), ("mean", rows.mean(), 0.5)):
        reply = client.infer(MODEL, inputs, parameters={"reduction": reduction})
        check(f"{about}: loss by {reduction}", reply.as_numpy("loss"), loss, 1e-10)
        check(f"{about}: gradient by {reduction}", reply.as_numpy("grad"), by_row * scale, 1e-10)
    for runtime in ("onnx", "pytorch"):
        reply = client.infer(MODEL, inputs, parameters={"temperature": "2.5", "normalize": "none", "runtime": runtime})
        check(f"{about}: temperature, on {runtime}", reply.as_numpy("grad"), mean(temperature=2.5, normalize="none")[1], 1e-10)
    weights, mask = np.array([1.0, 2.0, 3.0]), np.array([[True, False, True], [True, True, False]])
    per_row = np.array([1.0, 3.0])
    cases = {
        "class_weight": (weights, "FP64", mean(class_weight=weights)),
        "mask": (mask, "BOOL", mean(mask=mask)),
        "sample_weight": (per_row, "FP64", ((rows * per_row).mean(), by_row * per_row[:, None] / 2)),
    }
    for name, (array, datatype, (loss, grad)) in cases.items():
        reply = client.infer(MODEL, [*inputs, sent(form, name, array, datatype)])
        check(f"{about}: {name}: loss", reply.as_numpy("loss"), loss, 1e-10)
        check(f"{about}: {name}: gradient", reply.as_numpy("grad"), grad, 1e-10)
    reply = client.infer(MODEL, inputs, parameters={"grad_output": "4"})
    check(f"{about}: grad_output, a number", reply.as_numpy("grad"), by_row * 2, 1e-10)
    reply = client.infer(MODEL, [*inputs, sent(form, "grad_output", per_row, "FP64")], parameters={"reduction": "none"})
    check(f"{about}: grad_output, by row", reply.as_numpy("grad"), by_row * per_row[:, None], 1e-10)


def every_reply(form: Any, client: Any, about: str) -> None:
    """The loss alone, one output of two, the id, a large batch."""
    inputs = [scores(form), labels(form)]
    check(f"{about}: the model that has the loss alone", client.infer("softmax_cross_entropy", inputs).as_numpy("loss"), mean()[0])
    reply = client.infer(MODEL, inputs, request_id="no. 7", outputs=[form.InferRequestedOutput("grad")])
    holds(f"{about}: only the output that is asked for", reply.get_output("loss") is None)
    check(f"{about}: which is right", reply.as_numpy("grad"), mean()[1])
    said = reply.get_response()
    holds(f"{about}: the id comes back", (said["id"] if isinstance(said, dict) else said.id) == "no. 7")
    large = np.random.default_rng(0).normal(size=(512, 1000)).astype(np.float32)
    reply = client.infer(MODEL, [sent(form, "scores", large, "FP32"), sent(form, "labels", np.arange(512)[:, None], "INT64")])
    check(f"{about}: 512 x 1000: loss", reply.as_numpy("loss"), mean(large, np.eye(1000)[:512])[0])
    check(f"{about}: 512 x 1000: gradient, a row each", reply.as_numpy("grad") * 512, softmax(large, np.eye(1000)[:512])[1], 5e-7)


def every_refusal(form: Any, client: Any, about: str) -> None:
    """Each in our words, and behind each the same client is answered."""
    inputs = [scores(form), labels(form)]
    refusals = {
        "a class out of range": (MODEL, [inputs[0], sent(form, "labels", PADDED + 2, "INT64")], {}, "out of range for C = 3"),
        "a misspelt model": ("focl", inputs, {}, "did you mean 'focal'"),
        "a parameter that is unknown": (MODEL, inputs, {"parameters": {"gama": 2}}, "unknown parameter"),
        "a version": (MODEL, inputs, {"model_version": "2"}, "the only one is '1'"),
        "an output": (MODEL, inputs, {"outputs": [form.InferRequestedOutput("gard")]}, "did you mean 'grad'"),
        "no scores": (MODEL, inputs[1:], {}, "/scores"),
        "a tensor twice": (MODEL, [*inputs, inputs[1]], {}, "there twice"),
    }
    for name, (model, given, how, words) in refusals.items():
        refused(f"{about}: {name}", lambda m=model, g=given, h=how: client.infer(m, g, **h), words, InferenceServerException)
        check(f"{about}: the same client behind it", client.infer(MODEL, inputs).as_numpy("grad"), mean()[1])


for each in clients():
    for every in (every_datatype, every_form_of_labels, every_option, every_reply, every_refusal):
        every(*each)
all_well()
