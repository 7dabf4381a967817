"""Data sets: digits, folders in Mulan's form, and the text that the training programs read."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from examples import digits
from examples.train import data
from examples.train.arff import DataError
from examples.train.data import Part

ROOT = Path(__file__).parents[2]
HEADER = "@attribute loud {0,1}\n@attribute x numeric\n@attribute same numeric\n@attribute 'so sad' {0,1}\n@attribute y numeric\n@data\n"
XML = (
    '<?xml version="1.0"?>\n<labels xmlns="http://mulan.sourceforge.net/labels"><label name="so sad"><label name="loud"/></label></labels>'
)


def folder_of(folder: Path, train: str = "1,1,7,0,?\n0,3,7,1,4\n0,?,7,1,8\n", test: str = "{1 5,2 9,3 1}\n", xml: str = XML) -> str:
    (folder / "songs-train.arff").write_text(HEADER + train)
    (folder / "songs-test.arff").write_text(HEADER + test)
    (folder / "songs.xml").write_text(xml)
    return str(folder)


def test_a_folder_is_read_with_its_labels_in_the_order_of_the_xml_and_its_features_standardized_by_the_training_part(
    tmp_path: Path,
) -> None:
    songs = data.load(folder_of(tmp_path))
    assert (songs.name, songs.classes) == ("songs", ["so sad", "loud"])
    assert songs.train.targets.tolist() == [[0, 1], [1, 0], [1, 0]]
    assert songs.test.targets.tolist() == [[1, 0]]
    # x: 1, 3, missing, so mean 2 and deviation 1; a constant is 0; y: missing, 4, 8, so mean 6 and deviation 2
    np.testing.assert_allclose(songs.train.features, [[-1, 0, 0], [1, 0, -1], [0, 0, 1]])
    np.testing.assert_allclose(songs.test.features, [[3, 0, -3]])


def test_a_constant_that_rounding_makes_uneven_is_zero(tmp_path: Path) -> None:
    songs = data.load(folder_of(tmp_path, train="".join(f"1,0.1,{third},0,1\n" for third in [0.1] * 3)))
    assert not songs.train.features.any()


def test_digits_have_the_labels_and_the_parts_of_the_demo() -> None:
    loaded = data.load("digits")
    assert loaded.classes == list(digits.CLASSES)
    assert (loaded.train.features.shape, loaded.test.features.shape) == ((1437, 64), (360, 64))
    assert loaded.train.targets[:2].tolist() == [[1, 0, 0, 1, 1, 0, 1], [0, 0, 0, 0, 1, 1, 0]]  # a 0, a 1
    np.testing.assert_allclose(loaded.train.features.mean(0), 0, atol=1e-12)
    assert set(np.round(loaded.train.features.std(0), 12)) == {0.0, 1.0}


def test_the_text_reads_back_the_same_numbers(tmp_path: Path) -> None:
    features = np.array([[0.1, -1 / 3], [1e-300, 12345678.901234567]])
    data.write(Part(features, np.array([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])), tmp_path / "text")
    first, *rows = (tmp_path / "text").read_text().splitlines()
    assert first == "2 2 3"
    assert [row.split(" ")[2:] for row in rows] == [["1", "0", "0"], ["0", "0", "1"]]
    assert [[float(word) for word in row.split(" ")[:2]] for row in rows] == features.tolist()


@pytest.mark.parametrize(
    ("part", "text", "says"),
    [
        ("train", "1,1,7,0,1\n1,1,7,?,1\n", r"songs-train.arff:8: label 'so sad' is missing; it must be 0 or 1"),
        ("test", "0.5,1\n", r"songs-test.arff:7: 2 values"),
        ("xml", XML.replace("loud", "quiet"), r"songs-train.arff: no attribute 'quiet'"),
        ("xml", XML.replace("loud", "so sad"), r"songs.xml: it names the labels \['so sad', 'so sad'\]"),
        ("xml", "<labels/>", r"songs.xml: it names the labels \[\]; wanted is at least one"),
        ("xml", "<labels>\n<label>", r"songs.xml:2: no XML"),
        ("xml", '<?xml version="1.0" encoding="klingon"?><labels/>', r"songs.xml: no XML that can be read: unknown encoding"),
        (
            "xml",
            "<l>" + "".join(f'<label name="{name}"/>' for name in ("loud", "x", "same", "so sad", "y")) + "</l>",
            "none is left to learn",
        ),
    ],
)
def test_what_is_wrong_in_a_folder_is_named(part: str, text: str, says: str, tmp_path: Path) -> None:
    folder = folder_of(tmp_path, **{part: text})
    with pytest.raises(DataError, match=says):
        data.load(folder)


def test_a_label_that_is_a_number_must_be_zero_or_one(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"songs-train\.arff:8: label 'x' is 3; it must be 0 or 1"):
        data.load(folder_of(tmp_path, xml='<labels><label name="x"/></labels>'))


def test_both_parts_need_the_same_attributes(tmp_path: Path) -> None:
    folder = folder_of(tmp_path)
    file = tmp_path / "songs-test.arff"
    file.write_text(file.read_text().replace("attribute x", "attribute z"))
    with pytest.raises(DataError, match=r"songs-test\.arff: its attributes are not those of songs-train\.arff"):
        data.load(folder)


@pytest.mark.parametrize(
    ("missing", "says"), [("train.arff", "no files <name>-train"), ("test.arff", "No such file"), (".xml", "No such file")]
)
def test_a_folder_without_one_of_its_files_says_which(missing: str, says: str, tmp_path: Path) -> None:
    folder = folder_of(tmp_path)
    (tmp_path / ("songs.xml" if missing == ".xml" else f"songs-{missing}")).unlink()
    with pytest.raises(DataError, match=says):
        data.load(folder)


def test_what_is_neither_digits_nor_a_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="digit: no folder; wanted is `digits`, or a folder"):
        data.load("digit")
    (tmp_path / "other-train.arff").touch()
    with pytest.raises(DataError, match="2 files <name>-train"):
        data.load(folder_of(tmp_path))


def test_the_command_writes_a_part_or_says_in_a_line_why_not(tmp_path: Path) -> None:
    command = [sys.executable, "examples/train/data.py", folder_of(tmp_path), str(tmp_path / "text")]
    done = subprocess.run([*command, "--part", "test"], cwd=ROOT, capture_output=True, text=True, check=True)
    assert "test of songs, 1 rows; classes so sad, loud" in done.stdout
    assert (tmp_path / "text").read_text() == "1 3 2\n3.0 0.0 -3.0 1 0\n"
    (tmp_path / "songs.xml").unlink()
    failed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (failed.returncode, failed.stderr.count("\n")) == (1, 1)
    assert "songs.xml: No such file" in failed.stderr
