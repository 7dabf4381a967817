"""The examples in docs/clients.md are the files that each language's check runs: `python -m tests.languages.documented` shows what differs.

With `--write` each block becomes what its file is. A block stands under a link to its file, alone on a line.
"""

import argparse
import difflib
import re
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
DOCUMENT = ROOT / "docs" / "clients.md"
BLOCK = re.compile(r"(?P<head>^\[(?P<file>clients/[^\]]+)\]\(\.\./(?P=file)\)\n\n```\w+\n)(?P<text>.*?)(?=^```$)", re.MULTILINE | re.DOTALL)


def blocks(document: str) -> dict[str, str]:
    """The text of each block by the file that it is to be."""
    return {found["file"]: found["text"] for found in BLOCK.finditer(document)}


def differences(document: str) -> str:
    """What would have to change in the document, as a diff; empty: nothing."""
    diffs: list[str] = []
    for file, text in blocks(document).items():
        wanted = content(file)
        diffs += difflib.unified_diff(text.splitlines(True), wanted.splitlines(True), f"docs/clients.md: {file}", file)
    return "".join(diffs)


def rewritten(document: str) -> str:
    """The document with each block as its file is."""
    return BLOCK.sub(lambda found: found["head"] + content(found["file"]), document)


def content(file: str) -> str:
    """Of a file that may not be there."""
    return (ROOT / file).read_text() if (ROOT / file).exists() else "(there is no such file)\n"


def main() -> int:
    """Show what differs, or mend it."""
    parser = argparse.ArgumentParser("documented", description="Compare the examples in docs/clients.md with their files.")
    parser.add_argument("--write", action="store_true", help="make each block what its file is")
    document = DOCUMENT.read_text()
    if parser.parse_args().write:
        DOCUMENT.write_text(rewritten(document))
        return 0
    print(differences(document), end="")
    return 1 if differences(document) else 0


if __name__ == "__main__":
    sys.exit(main())
