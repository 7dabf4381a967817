"""docs/clients.md shows the examples as they are run, and links to what is there."""

import re

from tests.languages.documented import DOCUMENT, ROOT, blocks, differences, rewritten
from tests.languages.test_languages import LANGUAGES

TEXT = DOCUMENT.read_text()


def test_each_block_is_its_file() -> None:
    assert differences(TEXT) == "", f"run python -m tests.languages.documented --write\n{differences(TEXT)}"


def test_every_language_has_a_block_and_no_block_is_overlooked() -> None:
    assert [file.split("/")[1] for file in blocks(TEXT)] == LANGUAGES
    assert len(re.findall(r"^```\w+$", TEXT, re.MULTILINE)) == len(LANGUAGES)


def test_a_block_that_differs_is_seen_and_mended() -> None:
    changed = TEXT.replace("softmax_cross_entropy", "focal", 1)
    assert "-" in differences(changed) and "focal" in differences(changed)
    assert rewritten(changed) == TEXT


def test_each_example_is_run_by_its_check() -> None:
    for file in blocks(TEXT):
        name = file.rpartition("/")[2].partition(".")[0]
        folder = ROOT / "clients" / file.split("/")[1]
        tests = [folder / "check", *(each for pattern in ("tests/**/*", "src/test/**/*") for each in folder.glob(pattern))]
        texts = [each.read_text() for each in tests if each.is_file() and each.suffix != ".pyc"]
        assert any(name in text or "./example" in text for text in texts), file


def test_every_link_leads_somewhere() -> None:
    for link in re.findall(r"\]\(([^)#:]+)\)", TEXT):
        assert (DOCUMENT.parent / link).resolve().exists(), link
