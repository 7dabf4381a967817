"""Cases: tensors in POSIX shared memory, only where the suite runs on the server's machine."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tests.conformance.case import NotApplicable, case, expect, member
from tests.conformance.outputs import expect_same, outputs_of
from tests.conformance.refusals import refuse
from tests.conformance.rest import JSON
from tests.conformance.server import Server
from tests.conformance.tensor import from_bytes

SHARED = "system_shared_memory"
REGION = "conformance"
WHERE = Path("/dev/shm")
BASE = "/v2/systemsharedmemory"
RANGE = "Shared memory: shared_memory_byte_size is the size of the data, from shared_memory_offset on, in the region"


@contextmanager
def memory(server: Server, content: bytes) -> Iterator[tuple[str, Path]]:
    """A shared memory object with this content: its key, and the file that Linux shows it as."""
    if not WHERE.is_dir() or urlsplit(server.url).hostname not in ("127.0.0.1", "localhost", "::1"):
        raise NotApplicable("the server is on another machine, or this is not Linux")
    key = f"/{server.shm_prefix}-conformance-{os.getpid()}"
    file = WHERE / key[1:]
    file.write_bytes(content)
    try:
        yield key, file
    finally:
        file.unlink()


@contextmanager
def region(server: Server, content: bytes, name: str = REGION) -> Iterator[Path]:
    """The same, registered as a region that spans it."""
    with memory(server, content) as (key, file):
        server.call("POST", f"{BASE}/region/{name}/register", {"key": key, "offset": 0, "byte_size": len(content)}).ok()
        try:
            yield file
        finally:
            server.call("POST", f"{BASE}/region/{name}/unregister")


def placed(offset: int, size: int, name: str = REGION) -> dict[str, Any]:
    """The parameters of a tensor in a region."""
    return {"parameters": {"shared_memory_region": name, "shared_memory_offset": offset, "shared_memory_byte_size": size}}


def regions(server: Server, path: str = "") -> dict[str, Any]:
    """The regions of a status reply, by name."""
    found = server.call("GET", f"{BASE}{path}/status").ok().json()
    expect(isinstance(found, list), f"no array: {str(found)[:100]}")
    return {member(each, "name", str): each for each in found}


def shared_request(server: Server, **parameters: Any) -> dict[str, Any]:
    """The sample with its first input at the start of the region, its parameters changed so; None removes one."""
    tensor = server.sample.inputs[0]
    given = placed(0, len(tensor.bytes()))["parameters"] | parameters
    request = server.sample.request()
    request["inputs"][0] = tensor.head() | {"parameters": {name: value for name, value in given.items() if value is not None}}
    return request


@case("Shared memory, Register, Status, Unregister: 200 each; the status has name, offset and byte_size", extension=SHARED)
def region_comes_and_goes(server: Server) -> None:
    with region(server, bytes(64)):
        for found in (regions(server), regions(server, f"/region/{REGION}")):
            expect(REGION in found, f"regions {sorted(found)}")
            expect(member(found[REGION], "offset", int) == 0 and member(found[REGION], "byte_size", int) == 64, f"{found[REGION]}")
        server.call("POST", f"{BASE}/region/{REGION}/unregister").ok()
        expect(REGION not in regions(server), "still there after unregister")


@case("Shared memory, Status: the key of the underlying memory object", extension=SHARED)
def region_status_shows_its_key(server: Server) -> None:
    with region(server, bytes(64)) as file:
        found = member(regions(server, f"/region/{REGION}")[REGION], "key", str)
        expect(found.lstrip("/") == file.name, f"key {found!r}")


@case("Shared memory, Unregister: without a region's name, all are unregistered", extension=SHARED)
def all_regions_go_at_once(server: Server) -> None:
    with region(server, bytes(64)):
        server.call("POST", f"{BASE}/unregister").ok()
        expect(not regions(server), f"still there: {sorted(regions(server))}")


@case("Shared memory: an input's data is in the region, at the offset (0 by default)", extension=SHARED)
def inputs_in_shared_memory_give_what_json_gives(server: Server) -> None:
    parts = [each.bytes() for each in server.sample.inputs]
    inputs, start = [], 0
    for tensor, part in zip(server.sample.inputs, parts, strict=True):
        inputs.append(tensor.head() | placed(start, len(part)))
        start += len(part)
    del inputs[0]["parameters"]["shared_memory_offset"]
    with region(server, b"".join(parts)):
        expect_same(outputs_of(server.infer(server.sample.request(inputs=inputs)).ok()), server.expected)


@case("Shared memory: an output requested there is written there, and its reply must not define data", extension=SHARED)
def outputs_in_shared_memory_are_what_json_gives(server: Server) -> None:
    for name, expected in server.expected.items():
        size = len(expected.bytes())
        with region(server, bytes(8 + size)) as file:
            reply = server.infer(server.sample.request(outputs=[{"name": name} | placed(8, size)])).ok().json()
            (output,) = [each for each in reply["outputs"] if each["name"] == name]
            expect("data" not in output, f"data: {output['data']}" if "data" in output else "")
            content = file.read_bytes()
            expect(content[:8] == bytes(8), "bytes before the offset were written")
            expect_same({name: from_bytes(name, expected.datatype, output["shape"], content[8:])}, {name: expected})


@case("Shared memory, Register: a failed request must be an error status with an error string", extension=SHARED)
def memory_that_is_not_there_is_not_registered(server: Server) -> None:
    with memory(server, bytes(64)) as (key, _):
        pass
    server.call("POST", f"{BASE}/region/{REGION}/register", {"key": key, "offset": 0, "byte_size": 64}).refusal()


@case("Shared memory, Register: byte_size from offset on is the region within the object, which ends before", extension=SHARED)
def region_larger_than_its_memory_is_refused(server: Server) -> None:
    with memory(server, bytes(64)) as (key, _):
        for offset, size in ((0, 65), (1, 64), (65, 1)):
            body = {"key": key, "offset": offset, "byte_size": size}
            try:
                server.call("POST", f"{BASE}/region/{REGION}/register", body).refusal()
            finally:
                server.call("POST", f"{BASE}/region/{REGION}/unregister")


@case("Shared memory, Register: key, offset and byte_size are not #optional", extension=SHARED)
def register_request_without_a_member_is_refused(server: Server) -> None:
    with memory(server, bytes(64)) as (key, _):
        for name in ("key", "byte_size"):
            body = {"key": key, "offset": 0, "byte_size": 64}
            del body[name]
            server.call("POST", f"{BASE}/region/{REGION}/register", body).refusal()


@case("Shared memory, Status: a failed request must be an error status with an error string", extension=SHARED)
def status_of_an_unknown_region_is_refused(server: Server) -> None:
    server.call("GET", f"{BASE}/region/no-such-region/status").refusal()


@case("Shared memory: shared_memory_region names a previously registered region", extension=SHARED)
def inference_by_an_unknown_region_is_refused(server: Server) -> None:
    refuse(server, shared_request(server, shared_memory_region="no-such-region"), JSON)


@case(RANGE, extension=SHARED)
def tensor_beyond_its_region_is_refused(server: Server) -> None:
    content = server.sample.inputs[0].bytes()
    with region(server, content):
        for parameters in ({"shared_memory_byte_size": len(content) + 1}, {"shared_memory_offset": 1}, {"shared_memory_offset": -1}):
            refuse(server, shared_request(server, **parameters), JSON)


@case(f"{RANGE}; and that size belongs to the shape", extension=SHARED)
def shared_size_that_contradicts_the_shape_is_refused(server: Server) -> None:
    content = server.sample.inputs[0].bytes()
    with region(server, content):
        refuse(server, shared_request(server, shared_memory_byte_size=len(content) - 1), JSON)


@case("Shared memory: an error if only one of shared_memory_region and shared_memory_byte_size is given", extension=SHARED)
def half_of_the_parameters_is_refused(server: Server) -> None:
    with region(server, server.sample.inputs[0].bytes()):
        for name in ("shared_memory_region", "shared_memory_byte_size"):
            refuse(server, shared_request(server, **{name: None}), JSON)


@case("Shared memory, HTTP/REST: an error if data is set beside the parameters", extension=SHARED)
def data_beside_shared_memory_is_refused(server: Server) -> None:
    request = shared_request(server)
    request["inputs"][0]["data"] = server.sample.inputs[0].values
    with region(server, server.sample.inputs[0].bytes()):
        refuse(server, request, JSON)


@case("Shared memory: the output's data does not fit into shared_memory_byte_size", extension=SHARED)
def output_larger_than_its_place_is_refused(server: Server) -> None:
    name, expected = next(iter(server.expected.items()))
    size = len(expected.bytes())
    with region(server, bytes(size)):
        refuse(server, server.sample.request(outputs=[{"name": name} | placed(0, size - 1)]), JSON)
