"""tritonclient's system shared memory, over HTTP and gRPC: in, out, offsets, and everything that must not go wrong."""

import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
import tritonclient.grpc
import tritonclient.http
from tritonclient.utils import InferenceServerException
from tritonclient.utils import shared_memory as memory

sys.path.append(str(Path(__file__).parent.parent))
from expected import PADDED, SCORES, all_well, check, holds, mean, refused

MODEL = "softmax_cross_entropy.grad"
HTTP, GRPC = sys.argv[1:3]
KEY = f"/gradwire-client-{os.getpid()}"
FLOATS = SCORES.astype(np.float32)
INTO = FLOATS.nbytes


def there(form: Any, name: str, array: Any, datatype: str, region: str, offset: int = 0) -> Any:
    """An input that is in shared memory."""
    tensor = form.InferInput(name, list(array.shape), datatype)
    tensor.set_shared_memory(region, array.nbytes, offset)
    return tensor


def asked(form: Any, name: str, region: str, size: int, offset: int = 0) -> Any:
    """An output that is to be put there."""
    output = form.InferRequestedOutput(name)
    output.set_shared_memory(region, size, offset)
    return output


def every_check(form: Any, client: Any) -> None:
    """In the order in which a caller would do it."""
    about = form.__name__
    client.unregister_system_shared_memory()
    sent = memory.create_shared_memory_region("sent", f"{KEY}-in", INTO + PADDED.nbytes)
    got = memory.create_shared_memory_region("got", f"{KEY}-out", 8 + INTO)
    memory.set_shared_memory_region(sent, [FLOATS, PADDED])
    try:
        client.register_system_shared_memory("sent", f"{KEY}-in", INTO + PADDED.nbytes)
        client.register_system_shared_memory("got", f"{KEY}-out", 8 + INTO)
        status = str(client.get_system_shared_memory_status())
        holds(f"{about}: both are known, and no key is shown", "sent" in status and "got" in status and KEY[1:] not in status)
        inputs = [there(form, "scores", FLOATS, "FP32", "sent"), there(form, "labels", PADDED, "INT64", "sent", INTO)]
        reply = client.infer(MODEL, inputs)
        check(f"{about}: inputs in shared memory", reply.as_numpy("grad"), mean()[1])
        client.infer(MODEL, inputs, outputs=[asked(form, "loss", "got", 4), asked(form, "grad", "got", INTO, 8)])
        check(f"{about}: the loss in shared memory", memory.get_contents_as_numpy(got, np.float32, [1]), mean()[0])
        check(f"{about}: the gradient, at an offset", memory.get_contents_as_numpy(got, np.float32, [2, 3], 8), mean()[1])
        must_not(form, client, about, inputs)
        check(f"{about}: and it goes on", client.infer(MODEL, inputs).as_numpy("grad"), mean()[1])
        client.unregister_system_shared_memory("sent")
        refused(f"{about}: unregistered", lambda: client.infer(MODEL, inputs), "no region of this name", InferenceServerException)
        client.unregister_system_shared_memory()
        holds(f"{about}: none is left", "got" not in str(client.get_system_shared_memory_status()))
    finally:
        memory.destroy_shared_memory_region(sent)
        memory.destroy_shared_memory_region(got)
    holds(f"{about}: /dev/shm is clean", not list(Path("/dev/shm").glob(f"{KEY[1:]}*")))


def must_not(form: Any, client: Any, about: str, inputs: list[Any]) -> None:
    """What is refused."""

    def register(key: str, size: int) -> Any:
        return lambda: client.register_system_shared_memory("more", key, size)

    refused(f"{about}: larger than the memory", register(f"{KEY}-in", 10**6), "do not lie in the memory's", InferenceServerException)
    refused(f"{about}: a key of another program", register("/other", 4), "not of the form", InferenceServerException)
    refused(f"{about}: a path", register(f"{KEY}/../x", 4), "not of the form", InferenceServerException)
    refused(f"{about}: no such memory", register(f"{KEY}-none", 4), "no memory with this key", InferenceServerException)
    refused(
        f"{about}: a name twice", lambda: client.register_system_shared_memory("sent", f"{KEY}-in", 4), "already", InferenceServerException
    )
    small = [asked(form, "grad", "got", 4)]
    refused(f"{about}: no room for an output", lambda: client.infer(MODEL, inputs, outputs=small), "does not fit", InferenceServerException)
    beyond = [there(form, "scores", FLOATS, "FP32", "got", 16), inputs[1]]
    refused(f"{about}: beyond the region", lambda: client.infer(MODEL, beyond), "do not lie in the region's", InferenceServerException)
    file = Path("/dev/shm") / f"{KEY[1:]}-short"
    file.write_bytes(FLOATS.tobytes())
    client.register_system_shared_memory("short", f"{KEY}-short", INTO)
    os.truncate(file, 4)
    short = [there(form, "scores", FLOATS, "FP32", "short"), inputs[1]]
    refused(f"{about}: shortened by its owner", lambda: client.infer(MODEL, short), "smaller than it was", InferenceServerException)
    file.unlink()
    client.unregister_system_shared_memory("short")


every_check(tritonclient.http, tritonclient.http.InferenceServerClient(HTTP))
every_check(tritonclient.grpc, tritonclient.grpc.InferenceServerClient(GRPC))
all_well()
