"""Reading and writing of report.json, report.md and report.html, and the summary."""

import json
import re
import reprlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

import msgspec

from unsup.core.commands import suggest
from unsup.core.errors import UserError
from unsup.core.files import replace_file
from unsup.reports import schema_3
from unsup.reports.catalogue import Tables, row_of
from unsup.reports.html import PageImages, to_html
from unsup.reports.markdown import to_markdown
from unsup.reports.record import Record
from unsup.reports.schema import Report
from unsup.reports.verdict import verdict

if TYPE_CHECKING:
    from rich.constrain import Constrain

SomeRecord = TypeVar("SomeRecord", bound=Record)
KINDS = {"str": str, "int": int, "float": float, "bool": bool, "array": list, "object": dict}  # msgspec's names
CURVES = re.compile(rb'(?<=\n "curves": \{)\n.*?\n \}', re.DOTALL)  # of a report as `to_json` writes it
BROAD = 4  # rows of a report whose scores fit side by side with their intervals
STEP = re.compile(r"\.?([^.\[\]]+)|\[([^\]]+)\]")  # of msgspec's paths, `run.seed`, `baselines[...].code_dim`


def write_report(folder: Path, report: Report, pictures: PageImages | None = None) -> None:
    """Write report.json, report.md and report.html, each whole or not at all.

    Args:
        folder: of the run, with the figures that the report names.
        report: the content.
        pictures: test images for report.html, which report.json does not hold.

    Raises:
        UserError: a value is not finite, is null or has no JSON form.
    """
    replace_file(folder / "report.json", to_json(report))
    replace_file(folder / "report.md", to_markdown(report))
    replace_file(folder / "report.html", to_html(report, folder, pictures))


def rewrite_report(folder: Path, report: Report) -> None:
    """Write a report of the same evaluation again, with the test images of its page.

    Raises:
        UserError: as in `write_report`.
    """
    page = folder / "report.html"
    pictures = PageImages.of_page(page.read_text(encoding="utf-8")) if page.exists() else None
    write_report(folder, report, pictures)


def to_json(report: Report) -> str:
    """Return the text of report.json.

    Raises:
        UserError: as in `write_report`.
    """
    content = msgspec.to_builtins(report, enc_hook=lambda value: None)
    for key, value in _unfit(content):
        raise UserError(
            f"report.json: {key} is {value!r}; every number must be finite, and what does not apply left out"
        )
    return json.dumps(content, indent=1, ensure_ascii=False) + "\n"


def read_report(path: Path) -> Report:
    """Read a report.json.

    Raises:
        UserError: it is missing or damaged.
    """
    try:
        return load_report(path)
    except OSError as e:
        raise UserError(f"cannot read {path}: {e.strerror}") from e
    except UserError as e:
        raise UserError(f"{path} is {e}: write it again with {suggest('evaluate', run=path.parent)}") from e


def load_report(path: Path, curves: bool = True) -> Report:
    """Read a report.json, for callers that name the file in their messages.

    Args:
        path: of the file.
        curves: also read the learning curves, most of a report's length.

    Raises:
        OSError: it cannot be read.
        UserError: it is damaged; the message is what the file is.
    """

    def refuse(word: str) -> NoReturn:
        raise ValueError(f"it holds {word}")

    text = path.read_bytes()
    try:
        content = json.loads(text if curves else CURVES.sub(b"}", text, count=1), parse_constant=refuse)
    except (ValueError, RecursionError) as e:
        raise UserError(f"damaged or half-written ({e})") from e
    return parse_report(content)


def parse_report(content: Any) -> Report:
    """Return the content of a report.json of any schema as a `Report`.

    Raises:
        UserError: as in `load_report`.
    """
    if not isinstance(content, dict):
        raise UserError("not a report")
    if schema_3.is_old(content):
        content = schema_3.converted(content)
    try:
        for key, value in _unfit(content):
            raise UserError(f"damaged: {key} is {value!r}")
        return msgspec.convert(content, Report)
    except RecursionError as e:
        raise UserError("damaged: it holds lists inside lists without end") from e
    except UnicodeEncodeError as e:
        raise UserError("damaged: it holds text that is not Unicode") from e
    except msgspec.ValidationError as e:
        raise UserError(_reason(str(e), content)) from e


def as_record(content: dict[str, Any], kind: type[SomeRecord]) -> SomeRecord:
    """Convert a part of a report, such as its scores, to its type."""
    return msgspec.convert(json.loads(json.dumps(content)), kind)  # NumPy's numbers become Python's


def _unfit(content: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield the dotted key and value of whatever is not finite or has no JSON form."""
    yield from ((key.removeprefix("."), value) for key, value in _unfit_below(content))


def _unfit_below(value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from ((f".{name}{key}", bad) for key, bad in _unfit_below(inner))
    elif isinstance(value, list | tuple):
        for i, inner in enumerate(value):
            yield from ((f"[{i}]{key}", bad) for key, bad in _unfit_below(inner))
    elif not isinstance(value, str) and not (isinstance(value, int | float) and abs(value) <= sys.float_info.max):
        yield "", value


def _reason(message: str, content: dict[str, Any]) -> str:
    """Return what is wrong, with dotted key and value, from a message of msgspec."""
    what, _, where = message.partition(" - at `")
    path = where.removeprefix("key` in `").rstrip("`").removeprefix("$").removeprefix(".")
    if missing := re.match(r"Object missing required field `(.+)`", what):
        return f"incomplete: {f'{path}.{missing[1]}'.lstrip('.')} is missing"
    got = re.search(r"got `(\w+)`$", what)
    for key, value in _places(content, [name or index for name, index in STEP.findall(path)]):
        if type(value) is KINDS.get(got[1]) if got else value == []:
            return f"damaged: {key} is {reprlib.repr(value)}"
    return f"damaged: {path}: {what[0].lower()}{what[1:]}"


def _places(value: Any, steps: list[str], key: str = "") -> Iterator[tuple[str, Any]]:
    """Yield dotted keys and values at a path, in which `...` is any key."""
    if not steps:
        yield key, value
    elif isinstance(value, dict):
        for name in value if steps[0] == "..." else value.keys() & {steps[0]}:
            yield from _places(value[name], steps[1:], f"{key}.{name}".lstrip("."))
    elif isinstance(value, list) and steps[0].isdigit():
        yield from _places(value[int(steps[0])], steps[1:], f"{key}[{steps[0]}]")


def summary(report: Report) -> "Constrain":
    """Return heading, scores and verdict for the terminal, at most 100 columns wide."""
    from rich import box
    from rich.console import Group
    from rich.constrain import Constrain
    from rich.table import Table
    from rich.text import Text

    rows = {name: row_of(scores, Tables.SUMMARY) for name, scores in report.rows}
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column(no_wrap=len(rows) > BROAD)
    for i, name in enumerate(rows):
        head = name.replace(" ", "\n") if len(rows) > BROAD else name
        table.add_column(head, justify="right", style="bold" if i == 0 else "", overflow="fold")
    for column in dict.fromkeys(column for row in rows.values() for column in row):
        texts = [column, *(row.get(column, "") for row in rows.values())]
        if len(rows) > BROAD:
            texts = [text.replace(" [", "\n[").replace(" SSE", "\nSSE") for text in texts]
        table.add_row(*texts)
    parts = Group(Text(report.heading, "bold"), table, Text("\n" + verdict(report).replace("**", "")))
    return Constrain(parts, 100)
