"""The Open Inference Protocol's tensors: their datatypes, where their numbers are, and which of them a reply is to hold."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from models.checks import BFLOAT16, Array
from models.errors import InvalidParameters, Problem, escaped, shortened
from service.errors import MalformedRequest, TensorTooLarge
from service.shared_memory import Place, Regions
from service.tensors import BOOL, raw, size, viewed

DATATYPES: dict[str, np.dtype[Any]] = {
    "BOOL": BOOL,
    **{f"{prefix}{8 * size}": np.dtype(f"<{kind}{size}") for prefix, kind in (("UINT", "u"), ("INT", "i")) for size in (1, 2, 4, 8)},
    "FP16": np.dtype("<f2"),
    "BF16": BFLOAT16,
    "FP32": np.dtype("<f4"),
    "FP64": np.dtype("<f8"),
}
DATATYPE_OF = {dtype: name for name, dtype in DATATYPES.items()}
MOST_INPUTS, MOST_OUTPUTS = 64, 16
SHARED_MEMORY = ("shared_memory_region", "shared_memory_byte_size", "shared_memory_offset")


@dataclass(frozen=True)
class Wanted:
    """An output that is asked for: in binary or as numbers of the form it is sent in, or in shared memory."""

    name: str
    binary: bool = False
    place: Place | None = None


def wanted(where: str, name: str, parameters: Mapping[str, Any], binary: bool) -> Wanted:
    """An output as a request asks for it; raises InvalidParameters."""
    if parameters.get("classification"):
        raise InvalidParameters(Problem(f"{where}/classification", "a loss has no classes to sort"))
    return Wanted(name, flag(parameters.get("binary_data", binary), f"{where}/binary_data"), place(where, parameters))


def flag(value: Any, where: str) -> bool:
    """A parameter that is true or false; raises InvalidParameters."""
    if not isinstance(value, bool):
        raise InvalidParameters(Problem(where, f"found {shortened(value)}; expected true or false"))
    return value


def datatype(name: str, word: str) -> np.dtype[Any]:
    """The numpy type of a datatype; raises InvalidParameters."""
    if word not in DATATYPES:
        hint = "; a loss takes no strings" if word == "BYTES" else ""
        raise InvalidParameters(Problem(f"/{escaped(name)}", f"the datatype {shortened(word)} is not among {', '.join(DATATYPES)}{hint}"))
    return DATATYPES[word]


def place(where: str, parameters: Mapping[str, Any]) -> Place | None:
    """Where in shared memory a tensor is, or is to be put; None: nowhere. Raises InvalidParameters."""
    if not any(name in parameters for name in SHARED_MEMORY):
        return None
    region, byte_size, offset = (parameters.get(name, default) for name, default in zip(SHARED_MEMORY, (None, None, 0), strict=True))
    if not isinstance(region, str) or not all(type(each) is int for each in (byte_size, offset)):
        raise InvalidParameters(Problem(where, f"expected a name and integers: {', '.join(SHARED_MEMORY)}"))
    return Place(region, offset, byte_size)


def shared_bytes(parameters: Iterable[Mapping[str, Any]], regions: Regions) -> int:
    """How many bytes of shared memory a request's inputs have, by what it says of each and at most a region."""
    sizes = (each.get("shared_memory_byte_size") for each in parameters)
    most = regions.largest
    return sum(min(size, most) for size in sizes if type(size) is int and size > 0)


def in_shared_memory(name: str, dtype: np.dtype[Any], shape: Sequence[int], place: Place, regions: Regions, most_elements: int) -> Array:
    """A tensor from shared memory; raises MalformedRequest, and InvalidRegion."""
    nbytes = size(shape, name) * dtype.itemsize
    if place.byte_size != nbytes:
        raise MalformedRequest(f"/{name}: {dtype.name} {list(shape)} takes {nbytes} bytes; shared_memory_byte_size is {place.byte_size}")
    if nbytes > most_elements * dtype.itemsize:  # before so much is read
        raise TensorTooLarge(name, most_elements)
    return viewed(regions.read(place), dtype, shape, name, most_elements)


def put(outputs: Sequence[tuple[Wanted, Array]], regions: Regions) -> None:
    """Put the outputs that are to be in shared memory there; raises InvalidRegion."""
    for each, array in outputs:
        if each.place is not None:
            regions.write(each.place, raw(array))


def described(each: Wanted, array: Array) -> dict[str, Any]:
    """An output apart from its numbers."""
    about: dict[str, Any] = {"name": each.name, "datatype": DATATYPE_OF[array.dtype], "shape": list(array.shape)}
    if each.place is not None:
        place = each.place
        return about | {"parameters": dict(zip(SHARED_MEMORY, (place.region, array.nbytes, place.offset), strict=True))}
    return about | ({"parameters": {"binary_data_size": array.nbytes}} if each.binary else {})
