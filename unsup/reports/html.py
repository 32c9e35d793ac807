"""A report as one HTML page that needs no other file.

Every number comes from the content of report.json; pictures and test images are embedded.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, NamedTuple

from unsup.reports.blocks import Block, Folded, Items, Note, Picture, Table
from unsup.reports.citation import TITLE
from unsup.reports.figures import code_map
from unsup.reports.figures.code_map import CodeMap, Mistake
from unsup.reports.figures.curves import panels
from unsup.reports.figures.data_uri import encoded_picture, image
from unsup.reports.figures.label_panel import label_panel
from unsup.reports.format import accuracy
from unsup.reports.label_efficiency import label_curves
from unsup.reports.learning import unequal_batches
from unsup.reports.page import render
from unsup.reports.schema import Report
from unsup.reports.sections import sections
from unsup.reports.sections_labels import TITLE as LABELS
from unsup.reports.sections_named import TITLE as NAMED
from unsup.reports.sections_next import what_next
from unsup.reports.sections_origin import checks, checks_in_full
from unsup.reports.verdict import outcome, verdict

if TYPE_CHECKING:
    from markupsafe import Markup

INLINE = re.compile(r"`([^`]+)`|\*\*(.+?)\*\*")
UNBROKEN = re.compile(r"\[[^][<>]*\]|± [\d.]+|(-?[\d.]+ / )+-?[\d.]+")  # an interval, a deviation, ACC / NMI / ARI
EARLIER = re.compile(r"<section id=.*\n<h2 id=[^>]*>(?P<title>.*)</h2>\n(?P<content>(?s:.*?))</section>")
NEIGHBOURS, NEXT = "Nearest neighbours", "What to do next"
MAP, HARDEST = "Map of the codes", "Hardest test images"
OPEN = (  # sections of the page in this order, before all others, which are folded
    "Summary",
    NAMED,
    "Against the baselines",
    LABELS,
    "What to know about these images",
    "Copies of test images",
    NEIGHBOURS,
    "Learning curves",
    "Pictures",
    "Generation",
    MAP,
    "Classes",
    HARDEST,
    NEXT,
)
SECTION = {"confusion": "Classes", "clusters": "k-means", "own_clusters": "Clusterings"}  # of others: "Pictures"
DRAWN = ("confusion", "map")  # figures without images, whose colours may be inverted
MARKS = {
    "above": "▲ above",
    "mixed": "◆ mixed",
    "not above": "▼ not above",
    "below": "▼ below",
    "unknown": "○ not compared",
    "not learned": "▼ did not learn",
}


@dataclass(frozen=True)
class PageImages:
    """Test images for the page, which report.json does not hold."""

    code_map: CodeMap | None = None
    hardest: Sequence[Mistake] = ()
    drawn: Mapping[str, str] = field(default_factory=dict)  # HTML of sections of an earlier page, by title

    @classmethod
    def of_page(cls, page: str) -> "PageImages":
        """Return the test images of a page of the same weights and images."""
        content = {match["title"]: match["content"] for match in EARLIER.finditer(page)}
        return cls(drawn={title: content[title] for title in (MAP, HARDEST) if title in content})


class PagePart(NamedTuple):
    kind: str  # name of the macro of blocks.html.j2 that draws the content
    content: Any


class PageSection(NamedTuple):
    id: str
    title: str
    folded: bool
    parts: list[PagePart]


def to_html(report: Report, folder: Path, images: PageImages | None = None) -> str:
    """Return the text of report.html.

    Args:
        report: the content of report.json.
        folder: of the pictures; the page names those that are missing.
        images: without them the page has no interactive map and no hardest test images.
    """
    word, sentence = outcome(report)
    lines = checks(report)
    return render(
        "report.html.j2",
        title=report.heading,
        outcome=word.replace(" ", "-"),
        mark=MARKS[word],
        sentence=inline(sentence),
        verdict=inline(verdict(report)),
        date=report.provenance.date,
        checks=[inline(line) for line in lines],
        wrong=any("**" in line for line in lines),
        sections=_sections(report, folder, images or PageImages()),
    )


def _sections(report: Report, folder: Path, images: PageImages) -> list[PageSection]:
    """Return the sections that have parts."""
    from markupsafe import Markup

    blocks = {section.title: [*section.blocks] for section in sections(report)}
    _place_pictures(blocks, without_map=images.code_map is not None or MAP in images.drawn)
    content = {title: [_part(block, folder) for block in some] for title, some in blocks.items()}
    content["Checks"] = [_part(block, folder) for block in checks_in_full(report)]
    content[NEXT] = [_part(block, folder) for block in what_next(report, folder)]
    content[TITLE] = content.pop(TITLE)  # the last one
    if curves := panels(report.curves or {}):
        caution = [PagePart("note", text)] if (text := unequal_batches(report)) else []
        content["Learning curves"] = [PagePart("curves", curves), *caution]
    if efficiency := label_curves(report):
        content[LABELS].insert(0, PagePart("label_curves", label_panel(efficiency)))
    if images.code_map:
        content[MAP] = [PagePart("map", code_map.draw(images.code_map))]
    if images.hardest:
        content[HARDEST] = [PagePart("mistakes", [_mistake(one) for one in images.hardest])]
    content |= {title: [PagePart("drawn", Markup(text))] for title, text in images.drawn.items()}
    titles = [title for title in dict.fromkeys((*OPEN, *content)) if content.get(title)]
    return [PageSection(f"s{i}", title, title not in OPEN, content[title]) for i, title in enumerate(titles, 1)]


def _place_pictures(blocks: dict[str, list[Block]], without_map: bool) -> None:
    """Move pictures to the sections of their numbers."""
    for picture in blocks.pop("Pictures", []):
        stem = PurePosixPath(picture.path).stem if isinstance(picture, Picture) else ""
        section = SECTION[stem] if SECTION.get(stem) in blocks else NEIGHBOURS if stem == "neighbours" else "Pictures"
        if not (without_map and stem == "map"):
            blocks.setdefault(section, []).append(picture)


def _part(block: Block, folder: Path) -> PagePart:
    match block:
        case Note(text):
            return PagePart("note", inline(text))
        case Table(title, rows, texts):
            cells = [{column: _cell(text) for column, text in row.items()} for row in rows]
            return PagePart("table", {"title": title, "rows": cells, "texts": texts})
        case Picture(path, alt):
            if not (folder / path).is_file():
                return PagePart("picture", {"missing": path, "alt": alt})
            uri, width, height = encoded_picture((folder / path).read_bytes())
            drawn = PurePosixPath(path).stem in DRAWN
            return PagePart("picture", {"uri": uri, "width": width, "height": height, "alt": alt, "drawn": drawn})
        case Items(pairs):
            return PagePart("items", [(name, inline(text)) for name, text in pairs])
        case Folded():
            return PagePart("listing", block)


def _mistake(one: Mistake) -> dict[str, Any]:
    return one._asdict() | {"uri": image(one.image), "confidence": accuracy(one.confidence)}


def _cell(text: str) -> "Markup":
    """Return a cell that may break before an interval or a deviation, but not within."""
    from markupsafe import Markup

    return Markup(UNBROKEN.sub(r'<span class="unbroken">\g<0></span>', str(inline(text))))


def inline(text: str) -> "Markup":
    """Convert `**bold**` and `` `code` `` to HTML, and escape all other text."""
    from markupsafe import Markup, escape

    parts, at = [], 0
    for match in INLINE.finditer(text):
        code, bold = match.groups()
        kind, inner = ("strong", inline(bold)) if code is None else ("code", escape(code))
        parts += [escape(text[at : match.start()]), Markup("<{0}>{1}</{0}>").format(Markup(kind), inner)]
        at = match.end()
    return Markup("").join([*parts, escape(text[at:])])
