"""Multi-label data, and their text as the training programs read it.

`python examples/train/data.py digits|FOLDER FILE [--part train|test]` writes that text. `digits` are scikit-learn's handwritten ones
with the attributes of ../digits.py. FOLDER holds a data set in Mulan's form: <name>-train.arff, <name>-test.arff, and <name>.xml,
which says which attributes are labels.
"""

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
from sklearn.datasets import load_digits

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from examples import digits
from examples.train import arff
from examples.train.arff import WANTED, Array, DataError

EXAMPLE = '<labels><label name="even"/><label name="prime"/></labels>'


@dataclass(frozen=True)
class Part:
    """features [rows, inputs] and targets [rows, classes], which are 0 or 1; both float64."""

    features: Array
    targets: Array


@dataclass(frozen=True)
class Data:
    """A data set, with features of mean 0 and deviation 1 over the training part."""

    name: str
    classes: list[str]
    train: Part
    test: Part


def load(source: str) -> Data:
    """`digits`, or the path of a folder in Mulan's form."""
    return handwritten_digits() if source == "digits" else mulan(Path(source))


def handwritten_digits() -> Data:
    """1797 images of 8×8 pixels; who wrote the test part did, mostly, not write the training part."""
    pixels, drawn = load_digits(return_X_y=True)
    targets = np.array([[digit in members for members in digits.CLASSES.values()] for digit in drawn], np.float64)
    parts = [Part(pixels[rows], targets[rows]) for rows in (slice(digits.TRAIN_ROWS), slice(digits.TRAIN_ROWS, None))]
    return standardized("digits", list(digits.CLASSES), *parts)


def mulan(folder: Path) -> Data:
    """The data set in this folder."""
    name = name_in(folder)
    labels = label_names(folder / f"{name}.xml")
    train, test = (arff.read(folder / f"{name}-{part}.arff") for part in ("train", "test"))
    ours, theirs = ([each.name for each in table.attributes] for table in (train, test))
    if ours != theirs:
        raise DataError(f"{test.file}: its attributes are not those of {train.file.name}; both need the same ones in the same order")
    return standardized(name, labels, part(train, labels), part(test, labels))


def name_in(folder: Path) -> str:
    """<name> of the one <name>-train.arff."""
    found = sorted(folder.glob("*-train.arff"))
    if len(found) != 1:
        what = "no folder" if not folder.is_dir() else f"{len(found) or 'no'} files <name>-train.arff in it"
        raise DataError(f"{folder}: {what}; wanted is `digits`, or a folder with {WANTED}")
    return found[0].name.removesuffix("-train.arff")


def label_names(file: Path) -> list[str]:
    """The attributes that are labels, in the order of the file: every element <label name="…">, nested ones too."""
    try:
        root = ElementTree.parse(file).getroot()
    except OSError as error:
        raise DataError(f"{file}: {error.strerror}; it names the labels, as in {EXAMPLE}") from None
    except ElementTree.ParseError as error:
        raise DataError(f"{file}:{error.position[0]}: no XML: {error}") from None
    except (LookupError, ValueError) as error:  # of its encoding
        raise DataError(f"{file}: no XML that can be read: {error}") from None
    names = [each.get("name", "") for each in root.iter() if each.tag.rpartition("}")[2] == "label"]
    if not names or "" in names or len(set(names)) < len(names):
        raise DataError(f"{file}: it names the labels {names}; wanted is at least one, each with a name of its own, as in {EXAMPLE}")
    return names


def part(table: arff.Table, labels: list[str]) -> Part:
    """Labels apart from features; a label must be 0 or 1."""
    places = {each.name: place for place, each in enumerate(table.attributes)}
    if unknown := [name for name in labels if name not in places]:
        raise DataError(f"{table.file}: no attribute {unknown[0]!r}, which the XML file calls a label")
    columns = [places[name] for name in labels]
    targets, features = table.values[:, columns], np.delete(table.values, columns, axis=1)
    if not features.shape[1]:
        raise DataError(f"{table.file}: every attribute is a label; none is left to learn from")
    for row, label in np.argwhere(~np.isin(targets, (0.0, 1.0)))[:1]:
        found = "missing" if np.isnan(targets[row, label]) else f"{targets[row, label]:g}"
        raise DataError(f"{table.file}:{table.lines[row]}: label {labels[label]!r} is {found}; it must be 0 or 1")
    return Part(features, targets)


def standardized(name: str, classes: list[str], train: Part, test: Part) -> Data:
    """(feature − mean) / deviation, both of the training part; 0 where that is constant or a value is missing."""
    there = ~np.isnan(train.features)
    count = np.maximum(there.sum(0), 1)
    mean = np.where(there, train.features, 0.0).sum(0) / count
    deviation = np.sqrt((np.where(there, train.features - mean, 0.0) ** 2).sum(0) / count)
    constant = deviation <= 1e-12 * np.abs(mean)  # the mean of equal numbers is rounded, so they may differ from it

    def scaled(part: Part) -> Part:
        features = (part.features - mean) / np.where(constant, 1.0, deviation)
        return Part(np.where(constant | np.isnan(features), 0.0, features), part.targets)

    return Data(name, classes, scaled(train), scaled(test))


def write(part: Part, file: Path) -> None:
    """The text that the training programs read: a line of sizes, then a line a row, numbers in full precision."""
    rows, inputs = part.features.shape
    lines = [f"{rows} {inputs} {part.targets.shape[1]}"]
    for features, targets in zip(part.features.tolist(), part.targets.astype(int).tolist(), strict=True):
        lines.append(" ".join(map(repr, features + targets)))
    file.write_text("\n".join(lines) + "\n")


def main() -> int:
    """See above."""
    parser = argparse.ArgumentParser("data.py", description="Write multi-label data as the training programs read it.")
    parser.add_argument("source", help=f"`digits`, or a folder with {WANTED}")
    parser.add_argument("file", type=Path)
    parser.add_argument("--part", choices=("train", "test"), default="train")
    options = parser.parse_args()
    try:
        data = load(options.source)
        part: Part = getattr(data, options.part)
        write(part, options.file)
    except (DataError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(f"{options.file}: {options.part} of {data.name}, {len(part.features)} rows; classes {', '.join(data.classes)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
