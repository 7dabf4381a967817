"""Arrays as a graph is fed them, and as any language reads them back: little-endian numbers, one after another, and an index of where."""

import base64
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


class Buffer:
    """A file of arrays in the making; each is placed at a multiple of 8 bytes, equal ones once."""

    def __init__(self) -> None:
        self.content, self.known = bytearray(), dict[tuple[Any, ...], dict[str, Any]]()

    def place(self, array: Array) -> dict[str, Any]:
        """Where an array lies: its type, shape, offset and number of bytes."""
        little = np.asarray(array, array.dtype.newbyteorder("<"), order="C")
        data = little.tobytes()
        key = (array.dtype.name, array.shape, data)
        if key not in self.known:
            self.content += bytes(-len(self.content) % 8)
            place = {"type": array.dtype.name, "shape": list(array.shape), "offset": len(self.content), "bytes": len(data)}
            self.known[key] = place
            self.content += data
        return self.known[key]


def at(content: bytes, place: dict[str, Any]) -> Array:
    """The array of a place."""
    data = content[place["offset"] : place["offset"] + place["bytes"]]
    return np.frombuffer(data, np.dtype(place["type"]).newbyteorder("<")).reshape(place["shape"]).astype(place["type"])


def written(array: Array) -> dict[str, Any]:
    """An output, as the programs that run graphs write it down."""
    array = np.asarray(array)
    return {"type": array.dtype.name, "shape": list(array.shape), "base64": base64.b64encode(array.tobytes()).decode()}


def read(output: dict[str, Any]) -> Array:
    """The same, read again."""
    return np.frombuffer(base64.b64decode(output["base64"]), output["type"]).reshape(output["shape"])


def rounded(value: Any, dtype: str) -> Any:
    """A parameter as the precision holds it, at most its largest number; choices stay what they are."""
    if isinstance(value, list):
        return [rounded(float(each), dtype) for each in value]
    largest = float(np.finfo(dtype).max)
    return float(np.asarray(min(value, largest), dtype)) if isinstance(value, float) else value


def folders(root: Path) -> list[Path]:
    """One for each loss that is written there."""
    return sorted(each.parent for each in root.glob("*/index.json"))
