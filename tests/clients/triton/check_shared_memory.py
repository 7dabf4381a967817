"""tritonclient's system shared memory, by its four clients: in, out, offsets, and everything that must not go wrong."""

import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
from tritonclient.utils import InferenceServerException
from tritonclient.utils import shared_memory as memory

sys.path.append(str(Path(__file__).parent.parent))
from expected import PADDED, SCORES, TOLERANCE, all_well, check, holds, mean, refused
from four_clients import MODEL, OVER_GRPC, PRECISION, clients
from places import BEFORE, KEY, MEMORY, asked, is_clean, regions, there

IN, OUT = f"{KEY}-in", f"{KEY}-out"
FLOATS = SCORES.astype(np.float32)
SIZE, PAGES = FLOATS.nbytes, 1 << 16


def every_datatype(form: Any, client: Any, about: str) -> None:
    """Scores in, loss and gradient out, at offsets, in each precision; the bytes around them stay as they were."""
    for datatype, tolerance in TOLERANCE.items():
        array = SCORES.astype(PRECISION[datatype])
        with regions(client, ("in", IN, PADDED.nbytes + array.nbytes), ("out", OUT, 8 + array.nbytes + 8)) as (source, sink):
            memory.set_shared_memory_region(source, [PADDED], offset=BEFORE)
            memory.set_shared_memory_region(source, [array.view(np.uint8)], offset=BEFORE + PADDED.nbytes)
            memory.set_shared_memory_region(sink, [np.full(BEFORE + 16 + array.nbytes, 7, np.uint8)])
            inputs = [there(form, "labels", PADDED, "INT64", "in"), there(form, "scores", array, datatype, "in", PADDED.nbytes)]
            loss, grad = mean(array)
            check(f"{about}: {datatype} in", client.infer(MODEL, inputs).as_numpy("grad"), grad, tolerance)
            wanted = [asked(form, "loss", "out", 8), asked(form, "grad", "out", array.nbytes, 8)]
            reply = client.infer(MODEL, inputs, outputs=wanted)
            got = memory.get_contents_as_numpy(sink, np.uint8, [BEFORE + 16 + array.nbytes]).copy()
            check(f"{about}: loss in {datatype} out", got[BEFORE:][: array.itemsize].view(array.dtype), loss, tolerance)
            place = got[BEFORE + 8 : BEFORE + 8 + array.nbytes]
            check(f"{about}: gradient in {datatype} out", place.view(array.dtype).reshape(2, 3), grad, tolerance)
            around = np.concatenate([got[:BEFORE], got[BEFORE + array.itemsize : BEFORE + 8], got[-8:]])
            holds(f"{about}: nothing around them is touched", (around == 7).all())
            said = reply.get_response()  # over gRPC a message
            inline = sum(map(len, said.raw_output_contents)) if form in OVER_GRPC else sum("data" in each for each in said["outputs"])
            holds(f"{about}: and the reply does not hold them too", inline == 0)


def every_refusal(form: Any, client: Any, about: str) -> None:
    """What is refused, and the same client goes on behind each."""
    with regions(client, ("in", IN, SIZE + PADDED.nbytes), ("out", OUT, PAGES)) as (source, _):
        memory.set_shared_memory_region(source, [FLOATS, PADDED], offset=BEFORE)
        inputs = [there(form, "scores", FLOATS, "FP32", "in"), there(form, "labels", PADDED, "INT64", "in", SIZE)]
        whole = [asked(form, "grad", "out", SIZE)]

        def refuses(name: str, words: str, *given: Any) -> None:
            act = client.register_system_shared_memory if isinstance(given[0], str) else lambda i, o: client.infer(MODEL, i, outputs=o)
            refused(f"{about}: {name}", lambda: act(*given), words, InferenceServerException)
            check(f"{about}: it goes on", client.infer(MODEL, inputs).as_numpy("grad"), mean()[1])

        status = str(client.get_system_shared_memory_status())
        holds(f"{about}: both are known, and no key is shown", "in" in status and "out" in status and KEY[1:] not in status)
        holds(f"{about}: so is each", str(SIZE + PADDED.nbytes) in str(client.get_system_shared_memory_status("in")))
        refuses("larger than the memory", "do not lie in the memory's", "more", IN, 10**6)
        refuses("an offset beyond it", "do not lie in the memory's", "more", IN, 4, 10**6)
        refuses("a key of another program", "not of the form", "more", "/other", 4)
        refuses("a path", "not of the form", "more", f"{KEY}/../x", 4)
        refuses("no such memory", "no memory with this key", "more", f"{KEY}-none", 4)
        refuses("a name twice", "already", "in", IN, 4)
        refuses("no room for an output", "does not fit", inputs, [asked(form, "grad", "out", SIZE - 4)])
        refuses("an output beyond the region", "do not lie in the region's", inputs, [asked(form, "grad", "out", SIZE, PAGES - 4)])
        refuses("an input beyond the region", "do not lie in the region's", [there(form, "scores", FLOATS, "FP32", "in", 60)], whole)
        refuses("a region that is not there", "no region of this name", [there(form, "scores", FLOATS, "FP32", "x"), inputs[1]], whole)
        descriptor = os.open(MEMORY / OUT[1:], os.O_RDWR)
        os.ftruncate(descriptor, 0)
        os.close(descriptor)
        refuses("an output whose owner has cut it", "smaller than it was", inputs, whole)
        refuses("an input whose owner has cut it", "smaller than it was", [there(form, "scores", FLOATS, "FP32", "out"), inputs[1]], None)
        client.unregister_system_shared_memory("out")
        refuses("what is unregistered", "no region of this name", inputs, whole)
        os.truncate(MEMORY / OUT[1:], BEFORE + PAGES)
    holds(f"{about}: none is left", "in" not in str(client.get_system_shared_memory_status()))
    refused(f"{about}: not one", lambda: client.get_system_shared_memory_status("in"), "no region of this name", InferenceServerException)


for form, client, about in clients():
    every_datatype(form, client, about)
    every_refusal(form, client, about)
    holds(f"{about}: /dev/shm is clean", is_clean() and client.is_server_live())
all_well()
