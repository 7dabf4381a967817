"""The blocks of docs/wire.md are run as a reader would run them, and give what it says; the one in Python by the client it names."""

import json
import re
import subprocess
from pathlib import Path

import pytest

from service.negotiation import CODECS
from service.tensors import TENSORS
from tests.test_readme import WRITTEN_AT, same

WIRE = (Path(__file__).parent.parent / "docs" / "wire.md").read_text()
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```", WIRE, re.MULTILINE | re.DOTALL)


def test_these_are_all_the_blocks() -> None:
    assert [language for language, _ in BLOCKS] == ["sh", "json", "python"]


def test_the_curl_gives_the_reply_that_is_printed_below_it(live_service: str) -> None:
    command, expected = (text for _, text in BLOCKS[:2])
    done = subprocess.run(["bash", "-c", command.replace(WRITTEN_AT, live_service)], capture_output=True, check=True)
    assert same(json.loads(done.stdout), json.loads(expected))


@pytest.mark.parametrize("word", [*CODECS, *TENSORS])
def test_every_format_and_every_tensor_is_described(word: str) -> None:
    assert f"`{word}`" in WIRE
