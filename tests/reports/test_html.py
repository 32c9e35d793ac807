"""report.html is one well-formed file that loads nothing, says what report.json says, and is safe with any name."""

import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from reports.test_code_map import code_map, decoded, luminance
from reports.test_sections import full
from sample_reports import difference, generative, on_contents, report, unlabelled

from unsup.reports import html
from unsup.reports import report as reports
from unsup.reports import sections as all_sections
from unsup.reports import verdict as verdicts
from unsup.reports.blocks import Table
from unsup.reports.html import PageImages, inline
from unsup.reports.report import read_report

to_html, sections = on_contents(html.to_html), on_contents(all_sections.sections)
outcome, verdict = on_contents(verdicts.outcome), on_contents(verdicts.verdict)
write_report = on_contents(reports.write_report)

VOID = {"meta", "img", "br", "link", "input", "hr"}
SVG = {"path", "circle", "image"}  # closed by />
EVIL = "<script>alert('x')</script>\"'&{{ 7*7 }}"


class Page(HTMLParser):
    """All tags with their attributes, texts of sections, cells of tables; complains about bad nesting."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.stack: list[str] = []
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.sections: dict[str, str] = {}
        self.tables: list[list[list[str]]] = []
        self.captions: list[str] = []
        self.title = ""
        self.feed(text)
        self.close()
        assert self.stack == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        assert len(found) == len(attrs), f"{tag} has an attribute twice"
        self.tags.append((tag, found))
        if tag not in VOID:
            self.stack.append(tag)
        if tag == "table":
            self.tables.append([])
        elif tag == "tr":
            self.tables[-1].append([])
        elif tag in ("th", "td"):
            self.tables[-1][-1].append("")
        elif tag == "caption":
            self.captions.append("")
        elif tag == "h2":
            self.title = ""

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in SVG, tag
        self.tags.append((tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        assert self.stack.pop() == tag
        if tag == "h2":
            self.sections[self.title] = ""

    def handle_data(self, data: str) -> None:
        if "h2" in self.stack:
            self.title += data
        elif "section" in self.stack and self.title in self.sections:
            self.sections[self.title] += data
        if {"th", "td"} & set(self.stack):
            self.tables[-1][-1][-1] += data
        elif "caption" in self.stack:
            self.captions[-1] += data

    def all(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.tags if name == tag]


def mistakes() -> list[Any]:
    from unsup.reports.figures.code_map import hardest

    images = np.random.default_rng(0).random((3, 3, 8, 8))
    return hardest(np.array([[0.1, 0.9], [0.2, 0.8], [0.7, 0.3]]), np.zeros(3, np.int64), images, ("cat", EVIL))


def everything() -> PageImages:
    return PageImages(code_map(), mistakes())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A run's folder with the pictures that reports name."""
    (tmp_path / "figures").mkdir()
    for name in ("reconstructions", "map", "clusters", "confusion"):
        Image.fromarray(np.random.default_rng(0).integers(0, 255, (20, 30, 3), np.uint8)).save(
            tmp_path / "figures" / f"{name}.png"
        )
    return tmp_path


CONTENTS = {
    "full": full(),
    "unlabelled": full(labelled=False),
    "older": report(),
    "older unlabelled": unlabelled(),
    "generative": generative(),
}


@pytest.mark.parametrize("content", CONTENTS.values(), ids=CONTENTS)
@pytest.mark.parametrize("pictures", [None, everything()], ids=["alone", "with pictures"])
def test_the_page_is_well_formed_and_complete_in_itself(
    content: dict[str, Any], pictures: PageImages | None, folder: Path
) -> None:
    text = to_html(content, folder, pictures)
    page = Page(text)
    for tag, attributes in page.tags:
        assert tag not in ("link", "iframe", "object", "base", "embed")
        for name in ("src", "href", "srcset", "action", "data", "poster"):
            assert attributes.get(name, "#").startswith(("#", "data:image/")), (tag, name)
        assert not any(name.startswith("on") for name in attributes)
    style = text.partition("<style>")[2].partition("</style>")[0]
    assert "url(" not in style and "@import" not in style and "@font-face" not in style
    assert re.findall(r"\w+://", text) == []
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    assert {a["href"][1:] for a in page.all("a")} <= set(ids)
    assert len(page.all("a")) == len(page.all("section")) == len(page.sections)
    assert len(page.all("h1")) == 1 and all(words.strip() for words in page.sections.values())
    assert all(image.get("alt") for image in page.all("img") if image.get("src"))


def test_all_sections_are_there_in_order(folder: Path) -> None:
    content = full()
    content["figures"] = {f"figures/{name}.png": f"The {name}" for name in ("reconstructions", "confusion", "clusters")}
    titles = list(Page(to_html(content, folder, everything())).sections)
    assert titles == [
        "Summary",
        "Against the baselines",
        "Learning curves",
        "Pictures",
        "Map of the codes",
        "Classes",
        "Hardest test images",
        "What to do next",
        "Layers",
        "Robustness",
        "Draws and class imbalance",
        "k-means",
        "Clusterings",
        "Number of clusters",
        "Alignment and uniformity",
        "Other measures",
        "How the numbers were made",
        "Where it comes from",
        "Checks",
        "To cite this report",
    ]
    content["figures"]["figures/neighbours.png"] = "The neighbours"
    assert list(Page(to_html(content, folder)).sections)[:4] == [*titles[:2], "Nearest neighbours", "Learning curves"]
    generating = list(Page(to_html(generative(), folder)).sections)
    assert "Generation" in generating and "Map of the codes" not in generating and "Learning curves" not in generating


@pytest.mark.parametrize("content", CONTENTS.values(), ids=CONTENTS)
def test_the_tables_are_those_of_the_markdown(content: dict[str, Any], folder: Path) -> None:
    page = Page(to_html(content, folder, everything()))
    expected = {block.title: block.rows for s in sections(content) for block in s.blocks if isinstance(block, Table)}
    titles = [attributes["aria-label"] for attributes in page.all("div") if attributes.get("class") == "scroll"]
    assert sorted(titles) == sorted(expected) and len(page.tables) == len(expected)
    for title, (head, *body) in zip(titles, page.tables, strict=True):
        rows = expected[title]
        assert head == list(dict.fromkeys(column for row in rows for column in row))
        assert body == [[re.sub(r"\*\*|`", "", row.get(column, "")) for column in head] for row in rows]
    assert all(cell["scope"] in ("col", "row") for cell in page.all("th"))


def test_what_is_after_the_hardest_images_is_folded(folder: Path) -> None:
    page = Page(to_html(full(), folder, everything()))
    unfolded = ["Summary", "Against the baselines", "Learning curves", "Pictures", "Map of the codes", "Classes"]
    unfolded += ["Hardest test images", "What to do next"]
    text = to_html(full(), folder, everything())
    folded = re.findall(r'<details class="folded"><summary><h2 id="s\d+-title">(.*?)</h2>', text)
    assert [title for title in page.sections if title not in folded] == unfolded and len(folded) > 9


def test_a_single_table_does_not_repeat_the_heading_of_its_section(folder: Path) -> None:
    text = to_html(full(), folder)
    captions = {
        part.partition("</h2>")[0].rpartition(">")[2]: re.findall("<caption>(.*?)</caption>", part)
        for part in text.split("<section")[1:]
    }
    assert captions["Number of clusters"] == captions["Alignment and uniformity"] == []
    assert captions["Against the baselines"] == ["Differences of test accuracy"]
    assert captions["Classes"] == ["Classes and probabilities of the linear probe", "Linear probe by class"]


def test_commands_that_come_next_name_this_run(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    run = tmp_path / "other runs" / "mnist" / "deep_ae" / "0-001"
    content = full()
    for via, words in (
        (
            "unsup",
            ["unsup compare --data mnist --runs &#39;other runs&#39;", "tensorboard --logdir &#39;other runs&#39;"],
        ),
        ("make", ["make compare DATA=mnist &#39;RUNS=other runs&#39;", "make dashboard &#39;RUNS=other runs&#39;"]),
    ):
        monkeypatch.setenv("UNSUP_VIA", via)
        text = to_html(content, run)
        assert all(f"<code>{command}</code>" in text for command in words)
        assert "make evaluate" not in text and "unsup evaluate" not in text
    assert "evaluate &#39;RUN=other runs/mnist/deep_ae/0-001&#39;" in to_html(content | {"quick": True}, run)
    content["run"]["encoder"] = "torchvision:resnet18"
    assert "make train" not in to_html(content, run) and "make encode" in to_html(content, run)


def test_the_date_of_the_evaluation_is_at_the_top_of_newer_reports(folder: Path) -> None:
    content = full()
    assert "<time" not in to_html(content, folder)
    content["provenance"]["date"] = "2026-01-31"
    head = to_html(content, folder).partition("<main>")[0]
    assert '<time datetime="2026-01-31">2026-01-31</time>' in head


def test_a_loss_of_smaller_validation_batches_has_a_caution(folder: Path) -> None:
    content, caution = full(), "lower in a smaller batch"
    content["run"] |= {"steps": 100, "images_seen": 22_500, "images": {"train": 225, "val": 25, "test": 60}}
    content["provenance"]["config"]["data"] = {"init_args": {"batch_size": 256}}
    text = to_html(content, folder)
    assert "Batches have 225 images in training and 25 in validation." in text and caution in text
    content["run"]["views"] = "none"  # a loss of each image by itself
    assert caution not in to_html(content, folder)
    content["run"] |= {"views": "digits", "images": {"train": 225, "val": 230, "test": 60}}
    assert caution not in to_html(content, folder)


def test_hostile_names_stay_text(folder: Path) -> None:
    content = full()
    content["run"] |= {"model": EVIL, "class_names": [EVIL] * 10, "command": f"unsup train {EVIL}"}
    content["figures"] = {"figures/reconstructions.png": EVIL, "figures/<img src=x>.png": EVIL}
    content["provenance"]["config"] = {"recipe": f"</code></pre>{EVIL}"}
    content["scores"]["layers"] = {EVIL: content["scores"]["layers"]["h1"]}
    content["curves"][f"train/{EVIL}"] = [[0, 1.0], [1, 2.0]]
    text = to_html(content, folder, PageImages(code_map(), mistakes()))
    page = Page(text)
    assert len(page.all("script")) == 1 and "alert(" not in text.partition("<script>")[2].partition("</script>")[0]
    assert not any(image.get("src") == "x" for image in page.all("img"))
    assert len(page.all("b")) == len(mistakes())  # the class called <b> makes no tag
    assert page.sections["Classes"].count(EVIL) == 12 and EVIL in page.sections["Layers"]
    assert EVIL in page.sections["Where it comes from"] and EVIL in page.sections["Learning curves"]
    assert EVIL in [image.get("alt") for image in page.all("img")]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a **b** c `d`", "a <strong>b</strong> c <code>d</code>"),
        ("**a `b` c**", "<strong>a <code>b</code> c</strong>"),
        ("`a **b` c**", "<code>a **b</code> c**"),
        ("**<b>**`&`", "<strong>&lt;b&gt;</strong><code>&amp;</code>"),
        ("** ` *", "** ` *"),
        ("", ""),
    ],
)
def test_bold_and_code_nest_properly(text: str, expected: str) -> None:
    assert inline(text) == expected


def test_a_page_that_is_written_again_keeps_its_test_images(folder: Path) -> None:
    page = to_html(full(), folder, everything())
    drawn = PageImages.of_page(page)
    assert drawn.drawn.keys() == {"Map of the codes", "Hardest test images"}
    assert to_html(full(), folder, drawn).split() == page.split()
    assert PageImages.of_page(to_html(full(), folder)) == PageImages()


def test_pictures_are_embedded_where_they_belong(folder: Path) -> None:
    content = full()
    content["figures"] = {
        f"figures/{name}.png": f"The {name}" for name in ("reconstructions", "confusion", "clusters", "map")
    }
    parts = {
        part.partition("</h2>")[0].rpartition(">")[2]: part
        for part in to_html(content, folder, everything()).split("<section")[1:]
    }
    places = {"Pictures": "The reconstructions", "Classes": "The confusion", "k-means": "The clusters"}
    for title, alt in places.items():
        assert f'alt="{alt}"' in parts[title]
    assert not any('alt="The map"' in part for part in parts.values())  # the page has a better one
    assert 'alt="The map"' in to_html(content, folder)
    uri = re.search(r'<img src="([^"]+)" width="30" height="20" alt="The confusion"', parts["Classes"])
    assert uri and np.array_equal(decoded(uri[1]), np.asarray(Image.open(folder / "figures" / "confusion.png")))


def test_a_picture_that_is_missing_is_named(folder: Path) -> None:
    (folder / "figures" / "reconstructions.png").unlink()
    assert "figures/reconstructions.png" in Page(to_html(report(), folder)).sections["Pictures"]


def test_the_map_and_the_mistakes_show_their_words(folder: Path) -> None:
    page = Page(to_html(full(), folder, everything()))
    assert len([c for c in page.all("circle") if "data-description" in c]) == 40
    assert len([c for c in page.all("circle") if c.get("class") == "wrong"]) == 6  # 0, 7, …, 35
    assert "cat" in page.sections["Map of the codes"] and "Rings: the linear probe" in page.sections["Map of the codes"]
    assert f"{EVIL} .900is cat" in page.sections["Hardest test images"].replace("\n", "")


def test_the_verdict_has_words_as_well_as_a_colour(folder: Path) -> None:
    above, mixed, equal, below = report(), report(), report(), report()
    mixed["comparisons"]["pca"]["linear_probe"] = difference(0.001)
    for probes in below["comparisons"].values():
        for name in probes:
            probes[name] = difference(-0.1)
    for probes in equal["comparisons"].values():
        probes |= {"linear_probe": difference(-0.1), "few_label_10": difference(-0.001)}
    equal["comparisons"]["pca"]["linear_probe"] = difference(0.001)
    without = report() | {"baselines": {}, "comparisons": {}}
    cases = [(above, "above"), (mixed, "mixed"), (equal, "not above"), (below, "below"), (without, "unknown")]
    collapsed = unlabelled()
    collapsed["scores"]["rankme"] = 1.2
    for content, word in [*cases, (unlabelled(), "above"), (collapsed, "not learned")]:
        assert outcome(content)[0] == word
        text = to_html(content, folder)
        assert f'class="verdict {word.replace(" ", "-")}"' in text
        assert str(inline(outcome(content)[1])) in text and str(inline(verdict(content))) in text
    assert outcome(above)[1] == "Above every baseline by the linear probe and by 10 labels per class."
    assert outcome(mixed)[1] == (
        "Not above PCA-30, but above untrained network and raw pixels by the linear probe; above every baseline by 10 "
        "labels per class."
    )
    assert outcome(below)[1] == "Below every baseline by the linear probe and by 10 labels per class."
    assert outcome(equal)[1] == (
        "Below untrained network and raw pixels, not above PCA-30 by the linear probe; not above untrained network, "
        "PCA-30 and raw pixels by 10 labels per class."
    )


def test_without_labels_the_reconstruction_and_the_effective_rank_are_judged(folder: Path) -> None:
    mixed, below, collapsed, silent = (unlabelled() for _ in range(4))
    mixed["scores"]["reconstruction"]["sse_per_image"] = 20.0
    below["scores"]["reconstruction"]["sse_per_image"] = 153.8
    below["scores"]["rankme"] = collapsed["scores"]["rankme"] = 2.2  # of 30
    for scores in (silent["scores"], *silent["baselines"].values()):
        scores.pop("reconstruction", None)
    assert outcome(unlabelled()) == (
        "above",
        "Reconstructs better than untrained network: 9.13 against 52.31; reconstructs better than PCA-30: 9.13 against "
        "13.87.",
    )
    assert outcome(mixed)[0] == outcome(collapsed)[0] == "mixed"
    assert "reconstructs worse than PCA-30: 20.00 against 13.87" in outcome(mixed)[1]
    mixed["baselines"]["pca"]["code_dim"] = 22  # of few images: its smaller error counts all the same
    assert outcome(mixed)[0] == "mixed" and "worse than PCA-22: 20.00 against 13.87" in outcome(mixed)[1]
    mixed["scores"]["reconstruction"]["sse_per_image"] = 9.0  # and its larger error says nothing
    assert outcome(mixed) == ("above", "Reconstructs better than untrained network: 9.00 against 52.31.")
    assert outcome(collapsed)[1].endswith("the codes use about 2 of 30 dimensions.")
    assert outcome(below)[0] == "not above"
    below["scores"]["rankme"] = 22.0
    assert outcome(below)[0] == "below"
    below["scores"]["rankme"] = 2.2
    assert "153.8 against 52.31" in outcome(below)[1]
    assert "**not better than untrained network and PCA-30**. **The codes use about 2 of 30 dimensions.**" in verdict(
        below
    )
    assert outcome(silent)[0] == "unknown" and "no reconstruction errors" in outcome(silent)[1]
    alone = unlabelled()
    alone["baselines"] = {"pca": alone["baselines"]["pca"] | {"code_dim": 22}}  # its larger error says nothing
    assert outcome(alone)[0] == "unknown" and "no baseline has as many dimensions" in outcome(alone)[1]
    silent["scores"]["rankme"] = 3.0  # a tenth is not under a tenth
    assert outcome(silent)[0] == "unknown"
    silent["scores"]["rankme"] = 2.9
    assert outcome(silent) == ("not above", "The codes use about 3 of 30 dimensions.")
    for kinds in (["rankme"], ["clusterings", "diagnostics"]):  # the second as the protocol writes them
        silent["scores"]["reduced"] = {"dim": 16, "for": kinds}
        assert outcome(silent)[0] == "unknown"
    assert "▼ not above" in to_html(below, folder)


def test_the_legend_is_below_the_title(folder: Path) -> None:
    two = [[0, 2.0], [10, 1.0]]
    for curves, places in (({"val/loss": two}, {"validation": 72}), ({"train/a": two}, {"training": 72})):
        page = to_html(report() | {"curves": curves}, folder)
        assert {name: int(x) for x, name in re.findall(r'<text x="(\d+)" y="34">(\w+)</text>', page)} == places
    page = to_html(report() | {"curves": {"train/loss": two, "val/loss": two}}, folder)
    assert re.findall(r'<text x="(\d+)" y="34">(\w+)</text>', page) == [("72", "training"), ("150", "validation")]


@pytest.mark.parametrize(
    ("change", "warns"), [({}, False), ({"test_reads": 2}, True), ({"frozen": {"before": "a", "after": "b"}}, True)]
)
def test_what_went_wrong_is_a_warning(change: dict[str, Any], warns: bool, folder: Path) -> None:
    assert ('<p class="warning">' in to_html(report() | change, folder)) == warns


def test_the_same_report_makes_the_same_page(folder: Path) -> None:
    pictures = everything()
    assert to_html(full(), folder, pictures) == to_html(full(), folder, pictures)


def test_the_page_is_written_from_the_report_that_was_written(folder: Path) -> None:
    pictures = everything()
    write_report(folder, full(), pictures)
    content = read_report(folder / "report.json")
    assert (folder / "report.html").read_text(encoding="utf-8") == to_html(content, folder, pictures)
    assert not [path for path in folder.iterdir() if path.name.startswith(".")]


def test_text_is_readable_on_its_background_in_both_modes(folder: Path) -> None:
    style = to_html(report(), folder).partition("<style>")[2].partition("</style>")[0]
    found = re.findall(r"--(\w+): (#[0-9a-f]{6})", style)
    light: dict[str, str] = {}
    dark: dict[str, str] = {}
    for name, colour in found:  # light values come first, then dark ones, then those for paper
        (dark if name in light else light).setdefault(name, colour)
    assert {"ink", "muted", "accent", "good", "bad", "mixed", "val"} < set(light) and set(dark) <= set(light)
    for colours in (light, light | dark):
        for name in ("ink", "muted", "accent", "good", "bad", "mixed", "val"):
            for ground in ("paper", "panel"):
                one, other = sorted((luminance(colours[name]), luminance(colours[ground])))
                assert (other + 0.05) / (one + 0.05) >= 4.5, (name, ground)


def test_a_verdict_of_one_sentence_is_shown_once(folder: Path) -> None:
    content = unlabelled() | {"baselines": {}}
    assert to_html(content, folder).count("No baselines were computed, so these numbers") == 1
