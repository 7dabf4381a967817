"""tritonclient, its four clients: every datatype, form of labels and refusal, and a batch that is large."""

import sys
from pathlib import Path
from typing import Any

import numpy as np
from tritonclient.utils import InferenceServerException

sys.path.append(str(Path(__file__).parent.parent))
from expected import LABELS, PADDED, SCORES, TARGETS, TOLERANCE, all_well, check, holds, mean, refused
from four_clients import LARGE, LARGE_LABELS, MODEL, PRECISION, clients, labels, large, output, scores, sent, targets


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


def every_reply(form: Any, client: Any, about: str) -> None:
    """The loss alone, one output of two, the id."""
    inputs = [scores(form), labels(form)]
    check(f"{about}: the model that has the loss alone", client.infer("softmax_cross_entropy", inputs).as_numpy("loss"), mean()[0])
    reply = client.infer(MODEL, inputs, request_id="no. 7", outputs=[form.InferRequestedOutput("grad")])
    holds(f"{about}: only the output that is asked for", reply.get_output("loss") is None)
    check(f"{about}: which is right", reply.as_numpy("grad"), mean()[1])
    said = reply.get_response()
    holds(f"{about}: the id comes back", (said["id"] if isinstance(said, dict) else said.id) == "no. 7")


def every_large_batch(form: Any, client: Any, about: str) -> None:
    """A thousand rows of a thousand classes."""
    loss, grad = large()
    reply = client.infer(MODEL, [sent(form, "scores", LARGE, "FP32"), sent(form, "labels", LARGE_LABELS, "INT64")])
    check(f"{about}: 1024 x 1000: loss", reply.as_numpy("loss"), loss)
    check(f"{about}: 1024 x 1000: gradient, a row each", reply.as_numpy("grad") * 1024, grad * 1024, 1e-6)


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
        "labels and targets": (MODEL, [*inputs, targets(form)], {}, "both targets and labels"),
        "NaN": (MODEL, [sent(form, "scores", SCORES * np.nan, "FP64"), inputs[1]], {}, "found nan"),
        "no rows": (MODEL, [sent(form, "scores", SCORES[:0], "FP64"), sent(form, "labels", PADDED[:0], "INT64")], {}, "N ≥ 1"),
        "strings": (MODEL, [inputs[0], sent(form, "labels", np.array([[b"a"], [b"b"]], object), "BYTES")], {}, "takes no strings"),
        "classes to be sorted": (MODEL, inputs, {"outputs": [form.InferRequestedOutput("grad", class_count=2)]}, "no classes to sort"),
    }
    for name, (model, given, how, words) in refusals.items():
        refused(f"{about}: {name}", lambda m=model, g=given, h=how: client.infer(m, g, **h), words, InferenceServerException)
        check(f"{about}: the same client behind it", client.infer(MODEL, inputs).as_numpy("grad"), mean()[1])


for each in clients():
    for every in (every_datatype, every_form_of_labels, every_reply, every_large_batch, every_refusal):
        every(*each)
all_well()
