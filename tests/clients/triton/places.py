"""Shared memory as the checks use it: tensors and outputs that are there, and regions that are registered for a while."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tritonclient.utils import shared_memory as memory

KEY = f"/gradwire-client-{os.getpid()}"
MEMORY = Path("/dev/shm")
BEFORE = 16  # what of the memory lies before the region


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


@contextlib.contextmanager
def regions(client: Any, *keys_and_sizes: tuple[str, str, int]) -> Iterator[list[Any]]:
    """Memory of these names, keys and sizes, registered while this lasts."""
    made = [memory.create_shared_memory_region(name, key, BEFORE + size) for name, key, size in keys_and_sizes]
    try:
        for name, key, size in keys_and_sizes:
            client.register_system_shared_memory(name, key, size, offset=BEFORE)
        yield made
    finally:
        client.unregister_system_shared_memory()
        for each in made:
            memory.destroy_shared_memory_region(each)


def put(region: Any, *arrays: Any, offset: int = 0) -> None:
    """Put arrays into memory one behind the other, from an offset of the region on."""
    memory.set_shared_memory_region(region, list(arrays), offset=BEFORE + offset)


def got(region: Any, datatype: Any, shape: tuple[int, ...], offset: int = 0) -> Any:
    """A copy of what is there."""
    return memory.get_contents_as_numpy(region, datatype, list(shape), BEFORE + offset).copy()


def is_clean() -> bool:
    """Whether nothing of ours is left in the machine's memory."""
    return not list(MEMORY.glob(f"{KEY[1:]}*"))
