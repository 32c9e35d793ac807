"""The versioned document of the protocol has every score of the catalogue and every key of the schema."""

import re
import types
import typing
from pathlib import Path
from typing import Any, Literal

import msgspec
import pytest

from unsup.evaluation.protocol import DRAFT, VERSION
from unsup.reports import curve_schema, finetuned, named, provenance_schema, schema, score_schema
from unsup.reports.catalogue import SCORES
from unsup.reports.record import Record
from unsup.reports.schema import SCHEMA

PAGE = Path(__file__).parents[2] / "docs" / "protocol" / f"version-{VERSION}.md"
TEXT = PAGE.read_text(encoding="utf-8")
RECORDS = [
    kind
    for module in (schema, provenance_schema, score_schema, curve_schema, finetuned, named)
    for kind in vars(module).values()
    if isinstance(kind, type) and issubclass(kind, Record) and kind is not Record and kind.__module__ == module.__name__
]
WORDS = {int: "integer", float: "number", str: "text", bool: "true or false", Any: "anything"}


def tables(text: str) -> dict[str, list[list[str]]]:
    """{heading: cells of the rows of the first table below it}, without its head."""
    found = {}
    for part in re.split(r"^#+ ", text, flags=re.M)[1:]:
        heading, _, body = part.partition("\n")
        lines = [line for line in body.splitlines() if line.startswith("|")]
        if lines:
            found[heading] = [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines[2:]]
    return found


def in_words(kind: Any) -> str:
    """The type of a key, in the words of the page."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is typing.Annotated:
        return in_words(arguments[0])
    if origin is Literal:
        return "text"
    if origin in (types.UnionType, typing.Union):
        members = {in_words(member) for member in arguments if member is not type(None)}
        members -= {"integer"} if "number" in members else set()
        return " or ".join(sorted(members, reverse=True))
    if origin is list:
        return f"list of {in_words(arguments[0])}"
    if origin is tuple:
        return "pair"
    if origin is dict:
        return f"map to {in_words(arguments[1])}"
    return WORDS.get(kind) or kind.__name__


def keys_of(record: type[Record]) -> dict[str, str]:
    """{key: its type in words}; "?" marks keys that are left out if they do not apply."""
    annotations = typing.get_type_hints(record, include_extras=True)
    return {
        field.encode_name: in_words(annotations[field.name]) + ("" if field.required else "?")
        for field in msgspec.structs.fields(record)
    }


def test_the_page_is_of_this_protocol_and_schema() -> None:
    assert TEXT.startswith(f"# Evaluation protocol {VERSION}")
    state = f"protocol {VERSION}, draft {DRAFT}" if DRAFT else f"protocol {VERSION}, final"
    assert f"This text describes **{state}** and **report schema {SCHEMA}**" in " ".join(TEXT.split())


def test_every_score_of_the_catalogue_is_described() -> None:
    described = {row[0].removesuffix(" ↓"): row for row in tables(TEXT)["All scores"]}
    assert described.keys() == {score.name for score in SCORES}
    for score in SCORES:
        name, path, how = described[score.name]
        assert name.endswith("↓") == score.lower, name
        assert path == f"`{score.path}`" and how, name


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: record.__name__)
def test_every_key_of_the_schema_is_described(record: type[Record]) -> None:
    rows = tables(TEXT)[f"`{record.__name__}`"]
    assert {row[0].strip("`"): row[1] for row in rows} == keys_of(record)
    assert all(meaning for _, _, meaning in rows)


def test_types_are_found_and_named() -> None:
    assert len(RECORDS) == 39 and schema.Report in RECORDS and score_schema.Scores in RECORDS
    assert keys_of(schema.SplitSizes) == {"train": "integer", "val": "integer", "test": "integer"}
    assert keys_of(score_schema.Reduced) == {"dim": "integer", "for": "list of text"}
    assert keys_of(schema.Report)["curves"] == "map to list of pair?"
    assert keys_of(score_schema.Scores)["robustness"] == "map to number or list of number?"
