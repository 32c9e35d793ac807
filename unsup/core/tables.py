"""CSV tables, safe in spreadsheets and read in the dialects of those."""

import csv
import io
import unicodedata
from collections.abc import Iterable, Sequence
from itertools import zip_longest
from pathlib import Path

from unsup.core.errors import UserError, printable

FORMULA = ("=", "+", "-", "@", "\t", "\r")  # text that begins with one runs in a spreadsheet
QUOTE = "'"  # put before such text, so that a spreadsheet shows it
UTF_16 = (b"\xff\xfe", b"\xfe\xff")  # the marks that such files begin with
SEPARATORS = ",;\t"


def table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> bytes:
    """Return a CSV file in which no text runs as a formula.

    Undecodable bytes of file names stay as they are. `unquoted` gives the text back.
    """
    out = io.StringIO(newline="")
    writer = csv.writer(out)
    writer.writerow(columns)
    writer.writerows([quoted(cell) if isinstance(cell, str) else cell for cell in row] for row in rows)
    return out.getvalue().encode(errors="surrogateescape")


def quoted(text: str) -> str:
    """Return a cell that a spreadsheet shows and does not run. Numbers stay numbers."""
    if not text.startswith((*FORMULA, QUOTE)) or _is_number(text):
        return text
    return QUOTE + text


def unquoted(cell: str) -> str:
    """Return the text of a cell that `quoted` made."""
    return cell[1:] if cell.startswith(QUOTE) and cell[1:].startswith((*FORMULA, QUOTE)) else cell


def read_table(path: Path, columns: Sequence[str]) -> list[dict[str, str]]:
    """Return the rows of a CSV file that people or spreadsheets wrote.

    The separator is a comma, a semicolon or a tab, the encoding UTF-8 or UTF-16 with its mark; bytes that are neither
    are kept, as in names of files (see `decoded_text`). The header may be in any case and have blanks around its words.
    Other columns are kept, empty lines left out.

    Args:
        path: the file.
        columns: that the header must have.

    Raises:
        UserError: the file cannot be read, or a column is missing.
    """
    try:
        content = path.read_bytes()
    except OSError as e:
        raise UserError(f"cannot read {path}: {e.strerror}") from e
    text = _decoded(content).lstrip("\r\n")
    if text[:4].lower() == "sep=":  # Excel's way to name the separator
        text = text.partition("\n")[2].lstrip("\r\n")
    separator = max(SEPARATORS, key=text.partition("\n")[0].count)
    try:
        rows = [row for row in csv.reader(io.StringIO(text, newline=""), delimiter=separator) if any(row)]
    except csv.Error as e:
        raise UserError(f"{path} is not a table in CSV: {e}") from e
    header = [name.strip().lower() for name in rows[0]] if rows else []
    if not set(columns) <= set(header):
        seen = f"it is {printable(','.join(header)[:80])}" if header else "the file is empty"
        raise UserError(f"{path}: the first line must name the columns {','.join(columns)} ({seen})")
    return [dict(zip_longest(header, row[: len(header)], fillvalue="")) for row in rows[1:]]


class FileNames:
    """The files of a folder, by the ways in which tables write their names.

    A name may have backslashes, a leading `./`, or another Unicode form (macOS writes é as two characters).
    """

    def __init__(self, files: Sequence[str]) -> None:
        self._exact = set(files)
        self._by_form: dict[str, list[str]] = {}
        for file in files:
            self._by_form.setdefault(_form(file), []).append(file)

    def find(self, cell: str) -> str | None:
        """Return the file that a cell names, None if there is none or more than one."""
        for name in (cell, unquoted(cell), decoded_text(cell)):
            if name in self._exact:
                return name
            if len(files := self._by_form.get(_form(name), [])) == 1:
                return files[0]
        return None


def decoded_text(cell: str) -> str:
    """Return a cell of `read_table`, read as Windows text if it is no UTF-8."""
    try:
        cell.encode()
    except UnicodeEncodeError:
        return cell.encode(errors="surrogateescape").decode("cp1252", errors="replace")
    return cell


def _form(name: str) -> str:
    normal = unicodedata.normalize("NFC", name.strip()).replace("\\", "/")
    while normal.startswith("./"):
        normal = normal[2:]
    return normal


def _decoded(content: bytes) -> str:
    if content.startswith(UTF_16):
        return content.decode("utf-16", errors="replace")
    return content.decode("utf-8-sig", errors="surrogateescape")


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
