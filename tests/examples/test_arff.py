"""ARFF: what its description allows is read, and what is wrong is named with its file and line."""

from pathlib import Path

import numpy as np
import pytest

from examples.train import arff
from examples.train.arff import Attribute, DataError

HEADER = "@relation r\n@attribute a numeric\n@attribute b {0,1}\n@data\n"


def table(folder: Path, text: str) -> arff.Table:
    file = folder / "x.arff"
    file.write_text(text, encoding="utf-8")
    return arff.read(file)


def test_numbers_and_nominal_zeros_and_ones_are_read_with_the_lines_that_they_stand_in(tmp_path: Path) -> None:
    found = table(tmp_path, f"% a comment\n{HEADER}\n1.5,1\n  % another\n-2e-3 , 0\n")
    assert found.attributes == [Attribute("a"), Attribute("b", {"0": 0.0, "1": 1.0})]
    np.testing.assert_array_equal(found.values, [[1.5, 1], [-0.002, 0]])
    assert found.lines == [7, 9]


def test_keywords_and_types_are_of_any_case_and_a_file_may_come_from_windows(tmp_path: Path) -> None:
    text = "\ufeff@RELATION r\r\n@Attribute a REAL\r\n@ATTRIBUTE b{0,1}\r\n@attribute\tc\tInteger\r\n@DATA\r\n1,1,3\r\n"
    file = tmp_path / "x.arff"
    file.write_bytes(text.encode())
    assert arff.read(file).values.tolist() == [[1, 1, 3]]


def test_quoted_names_and_values_may_hold_commas_spaces_braces_and_quotes(tmp_path: Path) -> None:
    text = r"""@attribute 'a, b' numeric
@attribute "it's" {'no, never',"a \"yes\""}
@attribute 'x\'y' {0,1}
@data
1,'no, never',0
{0 2, 1 "a \"yes\"", 2 1}
"""
    found = table(tmp_path, text)
    assert [each.name for each in found.attributes] == ["a, b", "it's", "x'y"]
    assert found.values.tolist() == [[1, 0, 0], [2, 1, 1]]


def test_what_a_sparse_row_leaves_out_is_zero_or_the_first_of_the_values(tmp_path: Path) -> None:
    header = "@attribute a numeric\n@attribute b {1,0}\n@attribute c {NO,YES}\n@attribute d {0,1}\n@data\n"
    found = table(tmp_path, f"{header}{{}}\n{{ }}\n{{3 1}}\n{{0 2.5,\t2\tYES , 1 0}}\n")
    assert found.values.tolist() == [[0, 1, 0, 0], [0, 1, 0, 0], [0, 1, 0, 1], [2.5, 0, 1, 0]]


def test_a_missing_value_is_nan(tmp_path: Path) -> None:
    found = table(tmp_path, f"{HEADER}?,1\n{{0 ?}}\n")
    np.testing.assert_array_equal(found.values, [[np.nan, 1], [np.nan, 0]])


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        (f"{HEADER}1,0\n1\n", 6, "1 values, but the header has 2 attributes"),
        (f"{HEADER}1,0,\n", 5, "3 values"),
        (f"{HEADER}one,0\n", 5, "attribute 'a': 'one' is no finite number"),
        (f"{HEADER}nan,0\n", 5, "'nan' is no finite number"),
        (f"{HEADER}1e999,0\n", 5, "'1e999' is no finite number"),
        (f"{HEADER}1_000,0\n", 5, "'1_000' is no finite number"),
        (f"{HEADER}1,2\n", 5, "attribute 'b': '2' is not one of its values {0,1}"),
        (f"{HEADER}1,'0\n", 5, "a quote that does not end"),
        (f"{HEADER}{{0 1\n", 5, "ends with }"),
        (f"{HEADER}{{0}}\n", 5, "'0' is no 'index value'"),
        (f"{HEADER}{{-1 0}}\n", 5, "'-1 0' is no 'index value'"),
        (f"{HEADER}{{2 1}}\n", 5, "index 2, but the header has 2 attributes"),
        (f"{HEADER}{{0 1,0 2}}\n", 5, "index 0 is there twice"),
        ("@attribute a string\n@data\n'x'\n", 1, "attribute 'a' has the type 'string'"),
        ("@attribute a date 'yyyy'\n@data\n", 1, "numeric, and values in braces"),
        ("@attribute a {red,green,blue}\n@data\nred\n", 1, "write an attribute {0,1} for each of them"),
        ("@attribute a numeric\n@attribute a numeric\n@data\n", 2, "'a' is there twice"),
        ("@attribute a\n@data\n", 1, "is none of @relation NAME"),
        ("1,2\n", 1, "is none of @relation NAME"),
        ("@relation r\n@data\n1\n", 2, "@data without an @attribute"),
    ],
)
def test_what_is_wrong_is_named_with_its_line(text: str, line: int, says: str, tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        table(tmp_path, text)
    assert str(caught.value).startswith(f"{tmp_path / 'x.arff'}:{line}: ")
    assert says in str(caught.value)


@pytest.mark.parametrize(
    ("text", "says"), [("", "no line @data"), ("@attribute a numeric\n", "no line @data"), (HEADER, "no rows after @data")]
)
def test_a_file_that_ends_too_early_is_named(text: str, says: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=says):
        table(tmp_path, text)


def test_a_file_that_is_not_there_or_no_text_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"gone\.arff: No such file"):
        arff.read(tmp_path / "gone.arff")
    with pytest.raises(DataError, match="Is a directory"):
        arff.read(tmp_path)
    (tmp_path / "latin.arff").write_bytes("@relation caf\xe9".encode("latin-1"))
    with pytest.raises(DataError, match="byte 13 is no UTF-8"):
        arff.read(tmp_path / "latin.arff")


def test_a_long_wrong_value_is_cut(tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        table(tmp_path, HEADER + "x" * 10_000 + ",0\n")
    assert len(str(caught.value)) < 300
