"""A tensor and its forms: flat and nested JSON, little-endian bytes, and the typed contents of gRPC."""

import math
import struct
from dataclasses import dataclass
from typing import Any

# REST, Tensor Data Types; BF16 is not in that table, but the proto and the text on tensor data know it.
FORMATS = {
    **{"BOOL": "?", "UINT8": "B", "UINT16": "H", "UINT32": "I", "UINT64": "Q", "INT8": "b", "INT16": "h", "INT32": "i", "INT64": "q"},
    **{"FP16": "e", "FP32": "f", "FP64": "d", "BF16": "H"},
}
DATATYPES = {*FORMATS, "BYTES"}
CONTENTS = {
    **{"BOOL": "bool_contents", "FP32": "fp32_contents", "FP64": "fp64_contents", "BYTES": "bytes_contents"},
    **dict.fromkeys(("INT8", "INT16", "INT32"), "int_contents"),
    **dict.fromkeys(("UINT8", "UINT16", "UINT32"), "uint_contents"),
    **{"INT64": "int64_contents", "UINT64": "uint64_contents"},
}
TOLERANCE = {"FP16": 1e-2, "BF16": 1e-1, "FP32": 1e-5, "FP64": 1e-10}


def size_bytes(datatype: str) -> int:
    """Bytes of one element; not for BYTES, whose elements differ."""
    return struct.calcsize("<" + FORMATS[datatype])


def flat(data: Any) -> list[Any]:
    """Nested lists as one list, in row-major order."""
    return [value for each in data for value in flat(each)] if isinstance(data, list) else [data]


@dataclass(frozen=True)
class Tensor:
    """Its values are flat, in row-major order; those of BYTES are text."""

    name: str
    datatype: str
    shape: list[int]
    values: list[Any]

    def head(self) -> dict[str, Any]:
        """Name, datatype and shape."""
        return {"name": self.name, "datatype": self.datatype, "shape": self.shape}

    def json(self) -> dict[str, Any]:
        """As a $request_input with flat data."""
        return self.head() | {"data": self.values}

    def nested(self) -> list[Any]:
        """The values in as many lists as there are dimensions."""
        data = self.values
        for width in reversed(self.shape[1:]):
            data = [data[start : start + width] for start in range(0, len(data), width)]
        return data

    def bytes(self) -> bytes:
        """Little-endian, row-major, without padding; BYTES elements behind a 4-byte length."""
        if self.datatype == "BYTES":
            return b"".join(struct.pack("<I", len(each.encode())) + each.encode() for each in self.values)
        if self.datatype == "BF16":
            return b"".join(struct.pack("<f", each)[2:] for each in self.values)
        return struct.pack(f"<{len(self.values)}{FORMATS[self.datatype]}", *self.values)

    def contents(self) -> dict[str, Any]:
        """As InferTensorContents of gRPC; not for the 16-bit floats, which have no field."""
        values = [each.encode() for each in self.values] if self.datatype == "BYTES" else self.values
        return {CONTENTS[self.datatype]: values}

    def close_to(self, other: "Tensor") -> bool:
        """Same name, datatype, shape, and values to the last digits."""
        if self.head() != other.head() or len(self.values) != len(other.values):
            return False
        tolerance = TOLERANCE.get(self.datatype)
        if tolerance is None:
            return self.values == other.values
        return all(math.isclose(a, b, rel_tol=tolerance, abs_tol=tolerance) for a, b in zip(self.values, other.values, strict=True))


def from_bytes(name: str, datatype: str, shape: list[int], raw: bytes) -> Tensor:
    """The inverse of Tensor.bytes(); raises struct.error where the bytes are no such tensor."""
    if datatype == "BYTES":
        values: list[Any] = []
        while raw:
            (length,) = struct.unpack_from("<I", raw)
            values.append(raw[4 : 4 + length].decode())
            raw = raw[4 + length :]
        return Tensor(name, datatype, shape, values)
    if datatype == "BF16":
        return Tensor(name, datatype, shape, [struct.unpack("<f", b"\0\0" + raw[at : at + 2])[0] for at in range(0, len(raw), 2)])
    return Tensor(name, datatype, shape, list(struct.unpack(f"<{math.prod(shape)}{FORMATS[datatype]}", raw)))
