"""tritonclient's system shared memory beside other forms: some tensors there and some not, regions of several clients, large ones."""

import itertools
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
import tritonclient.grpc
import tritonclient.http
from tritonclient.utils import InferenceServerException

sys.path.append(str(Path(__file__).parent.parent))
from expected import PADDED, SCORES, all_well, check, holds, mean, refused
from four_clients import GRPC, HTTP, LARGE, LARGE_LABELS, MODEL, OVER_GRPC, OVER_HTTP, clients, labels, large, scores, sent
from places import BEFORE, KEY, MEMORY, asked, got, is_clean, put, regions, there

FLOATS = SCORES.astype(np.float32)
SIZE, LOSS_AT, GRAD_AT, PAGE = FLOATS.nbytes, 1024, 2048, 4096
MASK = np.array([[True, False, True], [True, True, False]])
EXPECTED = dict(zip(("loss", "grad"), mean(), strict=True))
PLACES = {"loss": (LOSS_AT, (1,)), "grad": (GRAD_AT, (2, 3))}


def inputs_in(form: Any, ways: tuple[str, ...]) -> list[Any]:
    """Scores and labels: in shared memory, in binary, or in JSON."""
    found = []
    for way, here, name, array, datatype, offset in zip(
        ways, (scores, labels), ("scores", "labels"), (FLOATS, PADDED), ("FP32", "INT64"), (0, SIZE), strict=True
    ):
        inline = {"binary_data": way == "binary"} if form in OVER_HTTP else {}
        found.append(there(form, name, array, datatype, "r", offset) if way == "shared" else here(form, **inline))
    return found


def output_in(form: Any, name: str, way: str) -> Any:
    """An output likewise."""
    offset, shape = PLACES[name]
    if way == "shared":
        return asked(form, name, "r", 4 * int(np.prod(shape)), offset)
    return form.InferRequestedOutput(name, **({"binary_data": way == "binary"} if form in OVER_HTTP else {}))


def every_mixture(form: Any, client: Any, about: str) -> None:
    """Each input and each output in each form, the outputs in either order."""
    ways = ("shared", "binary", "json") if form in OVER_HTTP else ("shared", "binary")
    with regions(client, ("r", KEY, PAGE)) as (region,):
        put(region, FLOATS, PADDED)
        for there_ways, back in itertools.product(itertools.product(ways, repeat=2), repeat=2):
            for names in (("loss", "grad"), ("grad", "loss")):
                put(region, np.full(PAGE - LOSS_AT, 7, np.uint8), offset=LOSS_AT)
                wanted = [output_in(form, name, way) for name, way in zip(names, back, strict=True)]
                reply = client.infer(MODEL, inputs_in(form, there_ways), outputs=wanted)
                for name, way in zip(names, back, strict=True):
                    offset, shape = PLACES[name]
                    found = got(region, np.float32, shape, offset) if way == "shared" else reply.as_numpy(name)
                    check(f"{about}: in {'+'.join(there_ways)}: {name}, {way}, of {'+'.join(names)}", found, EXPECTED[name])


def every_reuse(form: Any, client: Any, about: str) -> None:
    """A gradient over its own scores, a mask, a place with room to spare, and memory whose name is gone."""
    with regions(client, ("r", KEY, PAGE), ("again", f"{KEY}-2", PAGE)) as (region, _):
        put(region, FLOATS, PADDED, MASK)
        inputs = inputs_in(form, ("shared", "shared"))
        masked = [*inputs, there(form, "mask", MASK, "BOOL", "r", SIZE + PADDED.nbytes)]
        check(f"{about}: a mask that is there", client.infer(MODEL, masked).as_numpy("grad"), mean(mask=MASK)[1])
        client.infer(MODEL, inputs, outputs=[asked(form, "grad", "r", SIZE)])
        check(f"{about}: over the scores themselves", got(region, np.float32, (2, 3)), EXPECTED["grad"])
        put(region, FLOATS)
        client.infer(MODEL, inputs, outputs=[asked(form, "grad", "r", 1024, GRAD_AT)])
        check(f"{about}: with room to spare", got(region, np.float32, (2, 3), GRAD_AT), EXPECTED["grad"])
        client.register_system_shared_memory("part", KEY, PADDED.nbytes, offset=BEFORE + SIZE)
        part = [scores(form), there(form, "labels", PADDED, "INT64", "part")]
        check(f"{about}: a part under another name", client.infer(MODEL, part).as_numpy("grad"), EXPECTED["grad"])
        client.unregister_system_shared_memory("r")
        check(f"{about}: which outlives the whole", client.infer(MODEL, part).as_numpy("grad"), EXPECTED["grad"])
        client.unregister_system_shared_memory("r")
        holds(f"{about}: unregistering twice is no error", "part" in str(client.get_system_shared_memory_status()))


def every_cut(form: Any, client: Any, about: str) -> None:
    """Memory that its owner has cut in the middle of a tensor, and made whole again."""
    with regions(client, ("r", KEY, PAGE)) as (region,):
        inputs, wanted = [there(form, "scores", FLOATS, "FP32", "r"), labels(form)], [asked(form, "grad", "r", SIZE)]
        os.truncate(MEMORY / KEY[1:], BEFORE + SIZE - 4)
        refused(f"{about}: cut: in", lambda: client.infer(MODEL, inputs), "smaller than it was", InferenceServerException)
        out = [scores(form), labels(form)]
        refused(f"{about}: cut: out", lambda: client.infer(MODEL, out, outputs=wanted), "smaller than it was", InferenceServerException)
        os.truncate(MEMORY / KEY[1:], BEFORE + PAGE)
        put(region, FLOATS)
        check(f"{about}: whole again", client.infer(MODEL, inputs).as_numpy("grad"), EXPECTED["grad"])


def every_large_batch(form: Any, client: Any, about: str) -> None:
    """Four megabytes in, and out into a region of their own."""
    with regions(client, ("in", f"{KEY}-in", LARGE.nbytes), ("out", f"{KEY}-out", LARGE.nbytes)) as (source, sink):
        put(source, LARGE)
        inputs = [there(form, "scores", LARGE, "FP32", "in"), sent(form, "labels", LARGE_LABELS, "INT64")]
        client.infer(MODEL, inputs, outputs=[asked(form, "grad", "out", LARGE.nbytes)])
        check(f"{about}: 1024 x 1000", got(sink, np.float32, LARGE.shape) * 1024, large()[1] * 1024, 1e-6)


def one_registers_and_another_asks() -> None:
    """Regions are the service's: whoever may call it may use them."""
    form = tritonclient.grpc
    http, grpc = tritonclient.http.InferenceServerClient(HTTP), form.InferenceServerClient(GRPC)
    with regions(http, ("r", KEY, PAGE)) as (region,):
        put(region, FLOATS, PADDED)
        inputs = inputs_in(form, ("shared", "shared"))
        check("registered over http, used over grpc", grpc.infer(MODEL, inputs).as_numpy("grad"), EXPECTED["grad"])
        grpc.unregister_system_shared_memory("r")
        holds("and unregistered over grpc", http.get_system_shared_memory_status() == [])
    http.close()
    grpc.close()


for each in clients(*OVER_HTTP, *OVER_GRPC):
    for every in (every_mixture, every_reuse, every_cut, every_large_batch):
        every(*each)
one_registers_and_another_asks()
holds("/dev/shm is clean", is_clean())
all_well()
