"""System shared memory: only what has our prefix, only as large as it is, and nothing that its owner does afterwards ends the service."""

import errno
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from service.errors import InvalidRegion, UnknownRegion
from service.shared_memory import Place, Regions

FOLDER = Path("/dev/shm")
PREFIX = f"gradwire-test-{os.getpid()}"
KEY = f"/{PREFIX}-a"


@pytest.fixture
def memory() -> Iterator[Path]:
    """Memory of 16 bytes."""
    file = FOLDER / KEY[1:]
    file.write_bytes(bytes(range(16)))
    yield file
    file.unlink(missing_ok=True)


@pytest.fixture
def regions() -> Regions:
    return Regions(PREFIX)


def open_files() -> int:
    """How many descriptors this process has."""
    return len(list(Path("/proc/self/fd").iterdir()))


def test_what_is_registered_can_be_read_and_written(memory: Path, regions: Regions) -> None:
    regions.register("in", KEY, 0, 16)
    regions.register("part", KEY[1:], 8, 8)
    assert bytes(regions.read(Place("in", 0, 16))) == bytes(range(16))
    assert bytes(regions.read(Place("part", 2, 3))) == b"\x0a\x0b\x0c"
    regions.write(Place("part", 1, 7), memoryview(b"xyz"))
    assert memory.read_bytes()[8:13] == b"\x08xyz\x0c"


def test_what_is_read_is_a_copy_that_its_owner_cannot_change_any_more(memory: Path, regions: Regions) -> None:
    regions.register("in", KEY, 0, 16)
    data = regions.read(Place("in", 0, 16))
    memory.write_bytes(bytes(16))
    assert bytes(data) == bytes(range(16))


@pytest.mark.parametrize(("offset", "byte_size"), [(0, 17), (16, 1), (1, 16), (0, 0), (0, 2**63), (2**63, 1), (2**64, 2**64), (-1, 4)])
def test_a_region_lies_in_the_memory_as_it_is(offset: int, byte_size: int, memory: Path, regions: Regions) -> None:
    before = open_files()
    with pytest.raises(InvalidRegion, match="do not lie in the memory's 16 bytes"):
        regions.register("in", KEY, offset, byte_size)
    assert open_files() == before


@pytest.mark.parametrize(("offset", "byte_size"), [(0, 17), (16, 1), (-1, 2), (0, -1), (2**63, 2**63)])
def test_a_tensor_lies_in_its_region(offset: int, byte_size: int, memory: Path, regions: Regions) -> None:
    regions.register("in", KEY, 0, 16)
    for use in (regions.read, lambda place: regions.write(place, memoryview(b""))):
        with pytest.raises(InvalidRegion, match="do not lie in the region's 16 bytes"):
            use(Place("in", offset, byte_size))


def test_an_output_that_does_not_fit_is_refused_and_nothing_is_written(memory: Path, regions: Regions) -> None:
    regions.register("out", KEY, 0, 16)
    with pytest.raises(InvalidRegion, match="an output of 5 bytes does not fit into the 4 bytes"):
        regions.write(Place("out", 0, 4), memoryview(b"12345"))
    assert memory.read_bytes() == bytes(range(16))


def test_memory_that_its_owner_shortens_is_an_error_and_not_the_end(memory: Path, regions: Regions) -> None:
    regions.register("in", KEY, 0, 16)
    os.truncate(memory, 8)
    with pytest.raises(InvalidRegion, match="smaller than it was"):
        regions.read(Place("in", 0, 16))
    with pytest.raises(InvalidRegion, match="smaller than it was"):
        regions.write(Place("in", 0, 16), memoryview(bytes(16)))
    assert memory.stat().st_size == 8, "it was made larger"


def test_memory_that_its_owner_removes_stays_until_it_is_unregistered(memory: Path, regions: Regions) -> None:
    regions.register("in", KEY, 0, 16)
    memory.unlink()
    assert bytes(regions.read(Place("in", 0, 2))) == b"\0\1"


@pytest.mark.parametrize(
    "key",
    [
        "",
        "/",
        "/other",
        "/etc/passwd",
        "../etc/passwd",
        f"/{PREFIX}/../x",
        f"/{PREFIX}/x",
        f"//{PREFIX}",
        f"/{PREFIX}\0",
        f"/{PREFIX}" * 100,
    ],
)
def test_a_key_without_our_prefix_or_with_a_path_in_it_is_not_opened(key: str, regions: Regions) -> None:
    with pytest.raises(InvalidRegion, match="not of the form") as refused:
        regions.register("in", key, 0, 1)
    assert "passwd" not in str(refused.value)


def test_what_is_no_memory_is_not_opened(regions: Regions, tmp_path: Path) -> None:
    link, pipe, folder = (FOLDER / f"{PREFIX}-{each}" for each in ("link", "pipe", "folder"))
    link.symlink_to("/etc/passwd")
    os.mkfifo(pipe)
    folder.mkdir()
    before = open_files()
    try:
        for each in (link, pipe, folder, FOLDER / f"{PREFIX}-absent"):
            with pytest.raises(InvalidRegion, match="no memory with this key") as refused:
                regions.register("in", each.name, 0, 1)
            assert each.name not in str(refused.value), "the key is repeated"
    finally:
        link.unlink()
        pipe.unlink()
        folder.rmdir()
    assert open_files() == before


def test_a_name_is_taken_once_and_free_again(memory: Path, regions: Regions) -> None:
    before = open_files()
    regions.register("in", KEY, 0, 16)
    with pytest.raises(InvalidRegion, match="registered already"):
        regions.register("in", KEY, 0, 8)
    assert open_files() == before + 1
    regions.unregister("in")
    regions.unregister("in")
    assert open_files() == before
    regions.register("in", KEY, 0, 16)
    regions.register("on", KEY, 0, 16)
    assert sorted(regions.status()) == ["in", "on"]
    assert regions.status("on")["on"].byte_size == 16
    regions.unregister()
    assert not regions.status()
    assert open_files() == before


def test_memory_in_use_is_closed_when_the_last_one_is_done_with_it(memory: Path, regions: Regions) -> None:
    before = open_files()
    regions.register("in", KEY, 0, 16)
    in_use = regions.find("in")
    regions.unregister("in")
    assert open_files() == before + 1
    del in_use
    assert open_files() == before


def test_memory_that_is_full_is_an_error_and_not_the_end(memory: Path, regions: Regions, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    regions.register("out", KEY, 0, 16)
    monkeypatch.setattr("os.pwritev", full)
    with pytest.raises(InvalidRegion, match="No space left"):
        regions.write(Place("out", 0, 4), memoryview(b"1234"))


@pytest.mark.parametrize("name", ["", "x" * 256, "a/b"])
def test_a_region_has_a_name_of_some_letters(name: str, memory: Path, regions: Regions) -> None:
    with pytest.raises(InvalidRegion, match="name"):
        regions.register(name, KEY, 0, 16)


def test_only_so_many_regions_are_kept(memory: Path, regions: Regions, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service.shared_memory.MOST_REGIONS", 2)
    regions.register("a", KEY, 0, 16)
    regions.register("b", KEY, 0, 16)
    with pytest.raises(InvalidRegion, match="2 regions are registered"):
        regions.register("c", KEY, 0, 16)


def test_an_unknown_region_is_not_named(regions: Regions) -> None:
    for use in (regions.status, regions.find):
        with pytest.raises(UnknownRegion, match="no region of this name") as refused:
            use("secret")
        assert "secret" not in str(refused.value)
    with pytest.raises(InvalidRegion, match="no region of this name"):
        regions.read(Place("secret", 0, 1))


def test_shared_memory_is_off_unless_it_is_turned_on(memory: Path) -> None:
    off = Regions(None)
    for use in (off.status, off.unregister, lambda: off.register("in", KEY, 0, 16)):
        with pytest.raises(UnknownRegion, match="GRADWIRE_SHARED_MEMORY=true"):
            use()
    with pytest.raises(InvalidRegion, match="GRADWIRE_SHARED_MEMORY=true"):
        off.read(Place("in", 0, 16))
