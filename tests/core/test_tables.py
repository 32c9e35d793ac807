"""CSV tables as spreadsheets write and read them."""

import csv
import io
import unicodedata
from pathlib import Path

import pytest

from unsup.core.errors import UserError
from unsup.core.tables import FileNames, decoded_text, quoted, read_table, table, unquoted

ROWS = [{"file": "été 1.png", "name": "Katze"}, {"file": "b.png", "name": "chien"}]


def written(separator: str = ",", header: str = "file,name") -> str:
    lines = [header.replace(",", separator), *(separator.join(row.values()) for row in ROWS)]
    return "\r\n".join(lines) + "\r\n"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("header", ["file,name", " File , NAME"])
def test_dialects_of_spreadsheets(tmp_path: Path, encoding: str, separator: str, header: str) -> None:
    path = tmp_path / "names.csv"
    path.write_bytes(written(separator, header).encode(encoding))
    assert read_table(path, ("file", "name")) == ROWS


def test_the_separator_that_excel_names_and_empty_lines(tmp_path: Path) -> None:
    path = tmp_path / "names.csv"
    path.write_text("sep=;\r\n\r\nasked;file;name\r\n;a,1.png;cat\r\n;;\r\n;b.png\r\n", encoding="utf-8")
    rows = read_table(path, ("file", "name"))
    assert rows == [{"asked": "", "file": "a,1.png", "name": "cat"}, {"asked": "", "file": "b.png", "name": ""}]


def test_text_of_windows(tmp_path: Path) -> None:
    path = tmp_path / "names.csv"
    path.write_bytes(written(";").encode("cp1252"))
    row = read_table(path, ("file", "name"))[0]
    assert decoded_text(row["file"]) == "été 1.png" and FileNames(["été 1.png"]).find(row["file"]) == "été 1.png"


@pytest.mark.parametrize("content", [b"", b"image,label\na,b\n", b"file name\na b\n", b"\xff\xd8\xff\xe0no table"])
def test_another_header_is_one_line(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "names.csv"
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"names.csv: the first line must name the columns file,name") as e:
        read_table(path, ("file", "name"))
    assert "\n" not in str(e.value)


def test_a_missing_file_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot read .*: No such file"):
        read_table(tmp_path / "none.csv", ("file",))


@pytest.mark.parametrize(
    "cell",
    ["sub\\été.png", "./sub/été.png", " sub/été.png ", unicodedata.normalize("NFD", "sub/été.png"), ".\\sub\\été.png"],
)
@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_names_of_files_in_other_forms(cell: str, form: str) -> None:
    file = unicodedata.normalize(form, "sub/été.png")
    assert FileNames([file, "other.png"]).find(cell) == file


def test_a_name_of_two_files_names_none_and_an_exact_one_its_own() -> None:
    both = ["é.png", unicodedata.normalize("NFD", "é.png")]
    assert [FileNames(both).find(name) for name in both] == both
    assert FileNames(["a\\1.png", "a/1.png"]).find("./a/1.png") is None


@pytest.mark.parametrize("text", ["=1+1", "+cmd", "-a.png", "@x", "\tx", "\rx", "'=x", "''", "'"])
def test_no_text_runs_as_a_formula_and_it_can_be_read_back(text: str) -> None:
    (row,) = list(csv.reader(io.StringIO(table(["file"], [[text]]).decode(), newline="")))[1:]
    assert row[0].startswith("'") and unquoted(row[0]) == text
    assert FileNames([text]).find(row[0]) == text


@pytest.mark.parametrize("text", ["-1.5", "+3", "1e9", "-inf", "a=b", "", "it's", "x'"])
def test_other_text_and_numbers_stay_as_they_are(text: str) -> None:
    assert quoted(text) == text == unquoted(text)


def test_bytes_of_names_and_numbers_are_written_as_they_are() -> None:
    assert table(["a", "b"], [["caf\udce9", -1]]) == b"a,b\r\ncaf\xe9,-1\r\n"
