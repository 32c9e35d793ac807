"""report.html: what a report says, as one page that needs no other file.

Every number comes from the content of report.json; pictures are embedded, and test images shown beside them.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from unsup.reports.blocks import Block, FoldedYaml, Items, Note, Picture, Section, Table
from unsup.reports.figures import code_map
from unsup.reports.figures.code_map import CodeMap
from unsup.reports.figures.curves import panels
from unsup.reports.figures.data_uri import encoded_picture, image
from unsup.reports.figures.mistakes import Mistake
from unsup.reports.format import accuracy
from unsup.reports.page import render
from unsup.reports.schema import Report
from unsup.reports.sections import sections
from unsup.reports.sections_origin import checks, checks_in_full
from unsup.reports.verdict import outcome, verdict

if TYPE_CHECKING:
    from markupsafe import Markup

INLINE = re.compile(r"`([^`]+)`|\*\*(.+?)\*\*")
FIRST = (  # sections of the page in this order, before all others
    "Summary",
    "Against the baselines",
    "Learning curves",
    "Pictures",
    "Generation",
    "Map of the codes",
    "Classes",
    "Hardest test images",
)
BESIDE = {"confusion": "Classes", "clusters": "k-means", "own_clusters": "Clusterings"}  # not under "Pictures"
OUTCOMES = {
    "above": "▲ above",
    "mixed": "◆ mixed",
    "not above": "▼ not above",
    "below": "▼ below",
    "unknown": "○ not compared",
}


@dataclass(frozen=True)
class PageImages:
    """Test images for the page, which report.json does not hold."""

    code_map: CodeMap | None = None
    hardest: Sequence[Mistake] = ()


@dataclass(frozen=True)
class PagePart:
    """A block of the page: `kind` names the macro of blocks.html.j2 that draws `content`."""

    kind: str
    content: Any


def to_html(report: Report, folder: Path, pictures: PageImages | None = None) -> str:
    """The whole of report.html.

    Args:
        report: the content of report.json.
        folder: where the pictures named in it lie; one that is missing is named on the page.
        pictures: what else there is to see; without it the page has no map to point at and no hardest images.
    """
    word, sentence = outcome(report)
    told = checks(report)
    return render(
        "report.html.j2",
        title=report.heading,
        outcome=word.replace(" ", "-"),
        mark=OUTCOMES[word],
        sentence=sentence,
        verdict=inline(verdict(report)),
        checks=[inline(line) for line in told],
        wrong=any("**" in line for line in told),
        sections=[
            (f"s{i}", title, parts)
            for i, (title, parts) in enumerate(_page(report, folder, pictures or PageImages()), 1)
        ],
    )


def _page(report: Report, folder: Path, pictures: PageImages) -> list[tuple[str, list[PagePart]]]:
    """The sections of the report, with those that only a page can show among them; none is empty."""
    content = {
        title: [_part(block, folder) for block in blocks]
        for title, blocks in _placed(sections(report), bool(pictures.code_map)).items()
    }
    content["Checks"] = [_part(block, folder) for block in checks_in_full(report)]
    if drawn := panels(report.curves or {}):
        content["Learning curves"] = [PagePart("curves", drawn)]
    if pictures.code_map:
        content["Map of the codes"] = [PagePart("map", code_map.draw(pictures.code_map))]
    if pictures.hardest:
        content["Hardest test images"] = [PagePart("mistakes", [_mistake(one) for one in pictures.hardest])]
    order = [*FIRST, *(title for title in content if title not in FIRST)]
    return [(title, content[title]) for title in order if content.get(title)]


def _placed(found: list[Section], mapped: bool) -> dict[str, list[Block]]:
    """The blocks of each section, pictures beside their numbers; no map where the page has a better one."""
    blocks = {section.title: list(section.blocks) for section in found}
    for shown in blocks.pop("Pictures", []):
        stem = PurePosixPath(shown.path).stem if isinstance(shown, Picture) else ""
        section = BESIDE[stem] if BESIDE.get(stem) in blocks else "Pictures"
        if not (mapped and stem == "map"):
            blocks.setdefault(section, []).append(shown)
    return blocks


def _part(block: Block, folder: Path) -> PagePart:
    match block:
        case Note(text):
            return PagePart("note", inline(text))
        case Table(title, rows, texts):
            cells = [{column: inline(text) for column, text in row.items()} for row in rows]
            return PagePart("table", {"title": title, "rows": cells, "texts": texts})
        case Picture(path, alt):
            return PagePart("picture", _embedded(folder / path, path, alt))
        case Items(pairs):
            return PagePart("items", [(name, inline(text)) for name, text in pairs])
        case FoldedYaml(title, text):
            return PagePart("listing", {"title": title, "text": text})


def _embedded(file: Path, path: str, alt: str) -> dict[str, Any]:
    if not file.is_file():
        return {"missing": path, "alt": alt}
    uri, width, height = encoded_picture(file.read_bytes())
    return {"uri": uri, "width": width, "height": height, "alt": alt}


def _mistake(one: Mistake) -> dict[str, Any]:
    return one._asdict() | {"uri": image(one.image), "confidence": accuracy(one.confidence)}


def inline(text: str) -> "Markup":
    """`**bold**` and `` `code` `` as HTML; whatever else is in the text stays text."""
    from markupsafe import Markup, escape

    parts, at = [], 0
    for found in INLINE.finditer(text):
        code, bold = found.groups()
        kind, inner = ("strong", inline(bold)) if code is None else ("code", escape(code))
        parts += [escape(text[at : found.start()]), Markup("<{0}>{1}</{0}>").format(Markup(kind), inner)]
        at = found.end()
    return Markup("").join([*parts, escape(text[at:])])
