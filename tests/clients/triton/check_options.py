"""tritonclient, its four clients: every weight, reduction and parameter, each in every type that the client has for it."""

import sys
from pathlib import Path
from typing import Any

import numpy as np

sys.path.append(str(Path(__file__).parent.parent))
from expected import SCORES, TARGETS, all_well, asymmetric, binary, check, mean, softmax
from four_clients import MODEL, clients, labels, scores, sent, targets

ROWS, BY_ROW = softmax(SCORES, TARGETS)
ELEMENTS, BY_ELEMENT = binary(SCORES, TARGETS)
PER_CLASS, PER_ROW = np.array([1.0, 2.0, 3.0]), np.array([1.0, 3.0])
MASK = np.array([[True, False, True], [True, True, False]])


def both(about: str, reply: Any, loss: Any, grad: Any) -> None:
    """The loss and its gradient."""
    check(f"{about}: loss", reply.as_numpy("loss"), loss, 1e-10)
    check(f"{about}: gradient", reply.as_numpy("grad"), grad, 1e-10)


def every_reduction(form: Any, client: Any, about: str) -> None:
    """None, sum, and the mean over each of what it may divide by."""
    inputs = [scores(form, "FP64"), labels(form)]
    for reduction, loss, scale in (("none", ROWS, 1), ("sum", ROWS.sum(), 1), ("mean", ROWS.mean(), 0.5)):
        both(f"{about}: by {reduction}", client.infer(MODEL, inputs, parameters={"reduction": reduction}), loss, BY_ROW * scale)
    for over, count in (("rows", 2), ("elements", 6), ("valid", 2), ("weights", 2), ("positives", 3)):
        reply = client.infer(MODEL, inputs, parameters={"mean_over": over})
        both(f"{about}: mean over {over}", reply, ROWS.sum() / count, BY_ROW / count)


def every_parameter(form: Any, client: Any, about: str) -> None:
    """As a number, as the same number in a string, as a flag; on either runtime."""
    inputs = [scores(form, "FP64"), labels(form)]
    for runtime in ("onnx", "pytorch"):
        for given in (2.5, "2.5", 2, "2"):
            reply = client.infer(MODEL, inputs, parameters={"temperature": given, "normalize": "none", "runtime": runtime})
            both(f"{about}: temperature {given!r}, on {runtime}", reply, *mean(temperature=float(given), normalize="none"))
        for given in (0.1, "0.1"):
            reply = client.infer(MODEL, inputs, parameters={"label_smoothing": given, "runtime": runtime})
            both(f"{about}: label_smoothing {given!r}, on {runtime}", reply, *mean(label_smoothing=0.1))
        for given in (True, "true"):
            reply = client.infer("asymmetric.grad", inputs, parameters={"detach_weight": given, "reduction": "none", "runtime": runtime})
            both(f"{about}: detach_weight {given!r}, on {runtime}", reply, *asymmetric(SCORES, TARGETS))
    for given in (4, 4.0, "4"):
        reply = client.infer(MODEL, inputs, parameters={"grad_output": given})
        check(f"{about}: grad_output {given!r}", reply.as_numpy("grad"), BY_ROW * 2, 1e-10)


def every_weight(form: Any, client: Any, about: str) -> None:
    """As an input of its own."""
    inputs = [scores(form, "FP64"), labels(form)]
    cases = {
        "class_weight": (PER_CLASS, "FP64", mean(class_weight=PER_CLASS)),
        "mask": (MASK, "BOOL", mean(mask=MASK)),
        "sample_weight": (PER_ROW, "FP64", ((ROWS * PER_ROW).mean(), BY_ROW * PER_ROW[:, None] / 2)),
    }
    for name, (array, datatype, expected) in cases.items():
        both(f"{about}: {name}", client.infer(MODEL, [*inputs, sent(form, name, array, datatype)]), *expected)
    reply = client.infer(MODEL, [*inputs, sent(form, "grad_output", PER_ROW, "FP64")], parameters={"reduction": "none"})
    both(f"{about}: grad_output, by row", reply, ROWS, BY_ROW * PER_ROW[:, None])


def every_binary_cross_entropy(form: Any, client: Any, about: str) -> None:
    """A loss whose unit is the element."""
    model, inputs = "binary_cross_entropy.grad", [scores(form, "FP64"), targets(form)]
    both(f"{about}: binary", client.infer(model, inputs), ELEMENTS.mean(), BY_ELEMENT / 6)
    sparse = client.infer("BCEWithLogitsLoss.grad", [inputs[0], labels(form)], parameters={"reduction": "none", "runtime": "onnx"})
    both(f"{about}: binary, by its alias, sparse, unreduced", sparse, ELEMENTS, BY_ELEMENT)
    loss, grad = binary(SCORES, TARGETS, PER_CLASS)
    reply = client.infer(model, [*inputs, sent(form, "pos_weight", PER_CLASS, "FP64")], parameters={"reduction": "sum"})
    both(f"{about}: binary, pos_weight", reply, loss.sum(), grad)
    loss, grad = binary(SCORES, TARGETS, 3.0)
    both(f"{about}: binary, pos_weight a number", client.infer(model, inputs, parameters={"pos_weight": 3}), loss.mean(), grad / 6)
    cases = {"mask": (MASK, "BOOL", MASK.sum()), "element_weight": (MASK + PER_ROW[:, None], "FP64", 6)}
    for name, (array, datatype, count) in cases.items():
        reply = client.infer(model, [*inputs, sent(form, name, array, datatype)], parameters={"mean_over": "valid"})
        both(f"{about}: binary, {name}", reply, (ELEMENTS * array).sum() / count, BY_ELEMENT * array / count)


for each in clients():
    for every in (every_reduction, every_parameter, every_weight, every_binary_cross_entropy):
        every(*each)
all_well()
