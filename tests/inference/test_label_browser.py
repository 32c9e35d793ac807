"""The page on which people name pictures, in a browser, by real clicks, touches and keys."""

import csv
import io
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import browser
import labelling
import numpy as np
import pytest
from browser import Browser

from unsup.core.tables import read_table, unquoted
from unsup.data.asked_names import drawn_at_random
from unsup.data.encoded_pictures import EncodedPictures
from unsup.inference.label_page import AskList, label_page
from unsup.inference.names import Name, read_names
from unsup.metrics.intervals import accuracy_interval

pytestmark = pytest.mark.skipif(browser.program() is None, reason="there is no Chromium on this machine")

NAMED = "[...names].map(([i, {name, asked}]) => [page.files[i], name, asked])"


@pytest.fixture(scope="module")
def encoded(tmp_path_factory: pytest.TempPathFactory) -> EncodedPictures:
    return labelling.pictures(tmp_path_factory.mktemp("label") / "pictures")[0]


@pytest.fixture(scope="module")
def page(encoded: EncodedPictures, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written(tmp_path_factory.mktemp("page"), encoded)


def written(folder: Path, encoded: EncodedPictures, *further: AskList, given: dict[str, Name] | None = None) -> Path:
    path = folder / "label.html"
    path.write_text(label_page(encoded, [labelling.at_random(encoded), *further], given or {}))
    return path


@pytest.fixture
def chromium() -> Iterator[Browser]:
    with browser.browser() as one:
        yield one
        assert not one.errors


def named(window: Browser) -> dict[str, tuple[str, str]]:
    """Name and asked of each named file, of those whose name is text."""
    return {file: (name, asked) for file, name, asked in window.run(NAMED)}


def sampled(encoded: EncodedPictures) -> list[str]:
    return [encoded.files[i] for i in drawn_at_random(encoded.files)]


# ---- in short --------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_pictures_are_named_saved_and_read(
    chromium: Browser, page: Path, encoded: EncodedPictures, tmp_path: Path
) -> None:
    chromium.open(page)
    chromium.write("cat")
    chromium.press("Enter")
    chromium.press("1")
    assert list(named(chromium)) == sampled(encoded)[:2]
    assert chromium.text("#progress") == "named 2 of 60 at random; 2 in all"
    chromium.click("#to-rows")
    chromium.click(".head button")
    chromium.write("dog")
    chromium.press("Enter")
    assert {asked for name, asked in named(chromium).values() if name == "dog"} == {""}
    table = tmp_path / "labels.csv"
    table.write_bytes(chromium.download("#save"))
    given = read_names(table, encoded.images)
    assert {file: tuple(name) for file, name in given.items()} == named(chromium)
    assert chromium.requests == [page.resolve().as_uri()]


# ---- at length -------------------------------------------------------------------------------------------------------


@pytest.mark.nightly
def test_names_by_keys_alone(chromium: Browser, page: Path, encoded: EncodedPictures) -> None:
    chromium.open(page)
    files = sampled(encoded)
    for word in ("apple", "berry"):
        chromium.write(word)
        chromium.press("Enter")
    for key in ("2", "ArrowRight", "1"):  # the fourth picture is passed over
        chromium.press(key)
    expected = dict(zip([*files[:3], files[4]], ["apple", "berry", "berry", "apple"], strict=True))
    assert named(chromium) == {file: (name, "random") for file, name in expected.items()}
    chromium.press("u")
    chromium.press("z", "Control")
    assert list(named(chromium)) == files[:2]
    chromium.press("Enter")  # a name that begins with u
    chromium.write("ugli")
    chromium.press("Enter")
    assert "ugli" in {name for name, _ in named(chromium).values()}
    assert chromium.run("document.activeElement.id") == "ask-grid"
    current = chromium.run("document.getElementById('ask-grid').getAttribute('aria-activedescendant')")
    label = chromium.run(f"document.getElementById('{current}').getAttribute('aria-label')")
    assert label.endswith(", no name")
    chromium.press("ArrowLeft")
    chromium.press("Delete")
    assert len(named(chromium)) == 2
    chromium.press("9")
    assert chromium.text("#said") == "there is no name 9 yet"


@pytest.mark.nightly
def test_rows_are_selected_and_named_without_those_drawn_at_random(
    chromium: Browser, page: Path, encoded: EncodedPictures
) -> None:
    chromium.open(page)
    chromium.click("#to-rows")
    members = [encoded.files[i] for i in chromium.run("rows.groups[0].members")]
    chromium.click(".head button")
    chromium.click("#name")
    chromium.write("dog")
    chromium.press("Enter")
    assert set(named(chromium)) == set(members) - set(sampled(encoded))
    assert "drawn at random" in chromium.text("#said")
    chromium.press("z", "Control")
    assert not named(chromium)

    free = chromium.run("rows.groups[1].members.filter(i => !drawn.has(i))")[:4]
    for i in free[:2]:
        chromium.click(f"#row{i}")
    assert chromium.run(f"document.getElementById('row{free[0]}').getAttribute('aria-selected')") == "true"
    assert chromium.text("#bar-text") == "2 pictures selected"
    chromium.press("Escape")
    chromium.click(f"#row{free[2]}")
    chromium.press("Escape")
    chromium.press("ArrowRight")
    chromium.press(" ")
    chromium.press("ArrowDown")
    chromium.press(" ")
    assert chromium.run("selection.size") == 2
    chromium.press("Escape")
    flat = chromium.run("[...rows.lineOf.keys()]")
    first, last = sorted((flat.index(free[0]), flat.index(free[3])))
    chromium.click(f"#row{flat[first]}")
    chromium.click(f"#row{flat[last]}", "Shift")
    assert set(chromium.run("[...selection]")) == set(flat[first : last + 1])


@pytest.mark.nightly
def test_similar_pictures_have_the_colour_and_the_search_finds_names(
    chromium: Browser, page: Path, encoded: EncodedPictures
) -> None:
    chromium.open(page)
    chromium.click("#to-rows")
    one = chromium.run("rows.groups[0].members.find(i => !drawn.has(i))")
    chromium.click(f"#row{one}")
    chromium.press("+")
    nearest = chromium.run("rows.groups[1].members")[:60]
    assert {i % 3 for i in nearest} == {one % 3}
    assert one not in nearest
    chromium.click(".head button")  # the picture itself
    chromium.write("apple")
    chromium.press("Enter")
    chromium.press("/")
    chromium.write("apple")
    chromium.press("Enter")
    assert chromium.run("rows.groups.map(g => g.title)") == ["named apple", "perhaps apple"]
    assert chromium.run("rows.groups[0].members") == [one]
    chromium.press("/")
    chromium.run("document.getElementById('search').value = ''")
    chromium.write("00123")
    chromium.press("Enter")
    assert "in the file name" not in chromium.run("rows.groups.map(g => g.title)")  # it has a likely name
    chromium.press("Escape")
    assert chromium.run("rows.found") is None


@pytest.mark.nightly
def test_lasso_by_mouse_and_finger_and_frame_by_keys(chromium: Browser, page: Path) -> None:
    chromium.open(page)
    chromium.click("#to-map")
    around = "(() => { const i = page.files.keys().find(i => !drawn.has(i)), b = canvas.getBoundingClientRect();"
    around += " return [map.points[2 * i] + b.x, map.points[2 * i + 1] + b.y, i]; })()"
    x, y, i = chromium.run(around)
    box = [(x - 30, y - 30), (x + 30, y - 30), (x + 30, y + 30), (x - 30, y + 30)]
    chromium.drag(box)
    inside = chromium.run("[...selection]")
    assert i in inside and 1 <= len(inside) < 300
    chromium.click_at(x, y)
    assert len(chromium.run("[...selection]")) == 1
    chromium.write("lime")
    chromium.press("Enter")
    assert [name for name, _ in named(chromium).values()] in (["lime"], [])
    assert chromium.run("document.activeElement === canvas")
    chromium.press("ArrowLeft")
    chromium.press("ArrowUp", "Shift")
    framed = chromium.run("map.framed()")
    chromium.press("Enter")
    assert chromium.run("[...selection]") == framed

    chromium.open(page, (390, 800), phone=True)
    chromium.click("#to-map")
    chromium.middle("#plane")
    x, y, i = chromium.run(around)
    chromium.swipe([(x - 30, y - 30), (x + 30, y - 30), (x + 30, y + 30), (x - 30, y + 30), (x - 30, y)])
    assert i in chromium.run("[...selection]")


@pytest.mark.nightly
def test_what_is_saved_survives_hostile_names_and_is_read_back(
    chromium: Browser, page: Path, encoded: EncodedPictures, tmp_path: Path
) -> None:
    chromium.open(page)
    awkward = ["=cmd()", "-5", "'quoted", 'a "b", c', "<b>bold</b>", "naïve", "+1 or -1"]
    chromium.run(f"change({[[i, {'name': name, 'asked': ''}] for i, name in enumerate(awkward)]}); draw()")
    chromium.click("#to-rows")
    table = tmp_path / "labels.csv"
    table.write_bytes(chromium.download("#save"))
    assert table.read_bytes().startswith(b"file,name,asked\r\n")
    given = read_names(table, encoded.images)
    expected = dict(zip(labelling.HOSTILE, awkward, strict=True))
    assert {file: name.name for file, name in given.items()} == expected
    rows = list(csv.reader(io.StringIO(table.read_bytes().decode(errors="surrogateescape"), newline="")))
    assert not [cell for row in rows for cell in row if cell.startswith(("=", "+", "@"))]
    assert [unquoted(row["name"]) for row in read_table(table, ("file", "name"))] == awkward

    chromium.run("put([...names.keys()].map(i => [i, null])); keep(); draw()")
    chromium.choose_files("#files", [table])
    chromium.until(lambda: chromium.run("names.size") == len(awkward), "the names")
    assert chromium.run("[...names].sort(([a], [b]) => a - b).map(([, {name}]) => name)") == awkward
    assert chromium.run("document.querySelectorAll('main b:not(.head b), img[src=x]').length") == 0
    assert "\\udcff" in chromium.run("describe(6)") and "\\u202e" in chromium.run("describe(5)")


@pytest.mark.nightly
@pytest.mark.parametrize(
    "content",
    [
        "File;Name;Asked\r\n./00010.png;Käse;random\r\n".encode("cp1252"),
        "sep=;\r\nfile;name\r\n00010.png;Käse\r\n".encode(),
        "\ufefffile\tname\n.\\00010.png\tKäse\n".encode("utf-16-le"),
        'note,file,name\n"x, y",00010.png,"Käse"\n\n'.encode(),
    ],
)
def test_tables_of_spreadsheets_are_read(chromium: Browser, page: Path, content: bytes, tmp_path: Path) -> None:
    chromium.open(page)
    (tmp_path / "names.csv").write_bytes(content)
    chromium.choose_files("#files", [tmp_path / "names.csv"])
    chromium.until(lambda: chromium.run("names.size"), "the name")
    assert named(chromium) == {"00010.png": ("Käse", "random" if b"random" in content else "")}


@pytest.mark.nightly
def test_tables_of_several_people_are_merged_and_the_user_decides(
    chromium: Browser, page: Path, encoded: EncodedPictures, tmp_path: Path
) -> None:
    chromium.open(page)
    mine, others = sampled(encoded)[0], [file for file in encoded.files[20:] if file not in sampled(encoded)][:3]
    chromium.write("apple")
    chromium.press("Enter")
    first, second = tmp_path / "anna.csv", tmp_path / "ben.csv"
    rows = [f'"{mine}",berry,random', f"{others[0]},apple,chosen", "gone.png,apple,", f"{others[1]},apple,perhaps"]
    first.write_text("\n".join(["file,name,asked", *rows]))
    second.write_text(f"file,name\n{others[0]},berry\n{others[2]},cherry\n")
    chromium.choose_files("#files", [first, second])
    chromium.until(lambda: chromium.run("document.getElementById('conflicts').open"), "the dialogue")
    said = chromium.text("#said")
    assert "left out: 1 name of pictures that are not on this page, the first gone.png" in said
    assert "1 line with asked other than random, chosen or nothing" in said
    assert chromium.text("#conflict-count") == "2 pictures"
    assert chromium.text("fieldset:nth-child(2) label:nth-of-type(2)") == "ben.csv: berry"
    chromium.click("fieldset:nth-child(2) label:nth-of-type(2)")
    chromium.click("#conflict-form [value='one by one']")
    assert not chromium.run("document.getElementById('conflicts').open")
    assert named(chromium) == {
        mine: ("apple", "random"),
        others[0]: ("berry", ""),
        others[1]: ("apple", ""),
        others[2]: ("cherry", ""),
    }
    third = tmp_path / "notes.csv"
    third.write_text("a,b\n1,2\n")
    chromium.choose_files("#files", [third])
    chromium.until(lambda: "notes.csv is no table of names" in chromium.text("#said"), "the message")
    chromium.choose_files("#files", [first])
    chromium.until(lambda: chromium.run("document.getElementById('conflicts').open"), "the dialogue")
    chromium.click("#conflict-form button[value=theirs]")
    assert named(chromium)[mine] == ("berry", "random") and named(chromium)[others[0]] == ("apple", "chosen")
    chromium.press("u")
    assert named(chromium)[mine] == ("apple", "random")


@pytest.mark.nightly
def test_names_outlive_a_reload_and_a_new_page(
    chromium: Browser, page: Path, encoded: EncodedPictures, tmp_path: Path
) -> None:
    chromium.open(page)
    chromium.write("apple")
    chromium.press("Enter")
    mine = sampled(encoded)[0]
    chromium.open(page)
    assert named(chromium) == {mine: ("apple", "random")}
    assert chromium.text("#chips").split() == ["1", "apple", "1"]
    given = {mine: Name("berry", "random"), encoded.files[50]: Name("plum", "chosen")}
    later = written(tmp_path, encoded, AskList("Next", "chosen", [51, 52], ["at the edge", "on its own"]), given=given)
    chromium.open(later)
    chromium.open(later)
    assert chromium.run("document.getElementById('conflicts').open"), "it was not answered yet"
    chromium.click("#conflict-form button[value=mine]")
    assert named(chromium) == {mine: ("apple", "random"), encoded.files[50]: ("plum", "chosen")}
    chromium.open(later)
    assert not chromium.run("document.getElementById('conflicts').open"), "once is enough"
    chromium.click("#ask-lists button:nth-child(2)")
    assert chromium.text("#ask-reason") == "at the edge"
    chromium.press("1")
    assert named(chromium)[encoded.files[51]] == ("apple", "chosen")
    assert chromium.text("#ask-reason") == "on its own"


@pytest.mark.nightly
def test_without_a_storage_the_page_says_so(chromium: Browser, page: Path) -> None:
    script = "Storage.prototype.setItem = Storage.prototype.getItem = () => { throw new DOMException('no'); };"
    chromium.send("Page.addScriptToEvaluateOnNewDocument", source=script)
    chromium.open(page)
    assert chromium.run("document.getElementById('not-kept').checkVisibility()")
    assert "press Save before you close it" in chromium.text("#not-kept")
    chromium.write("apple")
    chromium.press("Enter")
    assert b",apple,random" in chromium.download("#save")


@pytest.mark.nightly
def test_the_estimate_is_that_of_nearest_named_pictures(
    chromium: Browser, page: Path, encoded: EncodedPictures
) -> None:
    chromium.open(page)
    assert "not known yet, name those drawn at random first" in chromium.text("#estimate")
    random = drawn_at_random(encoded.files)
    wrong = 7
    entries = [[i, {"name": str(i % 3) if k >= wrong else "odd", "asked": "random"}] for k, i in enumerate(random)]
    chromium.run(f"change({entries}); draw()".replace("'", '"'))
    assert "not known yet, name pictures other than those" in chromium.text("#estimate")
    teachers = [i for i in range(300) if i not in random][:30]
    chromium.run(f"change({[[i, {'name': str(i % 3), 'asked': ''}] for i in teachers]}); draw()".replace("'", '"'))
    correct = np.arange(60) >= wrong
    low, high = accuracy_interval(correct)
    expected = f"{60 - wrong} of 60, {correct.mean():.0%} (95 % interval {low:.0%} to {high:.0%})".replace("%", " %")
    assert chromium.text("#estimate").removeprefix("right by the nearest named picture: ") == expected.replace(
        "95  %", "95 %"
    )


@pytest.mark.nightly
def test_a_table_that_names_all_pictures_judges_by_those_drawn_at_random(
    chromium: Browser, page: Path, encoded: EncodedPictures
) -> None:
    """Whoever named them: all that are drawn stand for the folder, some of them need not."""
    random = drawn_at_random(encoded.files)
    everything = {i: {"name": str(i % 3), "asked": ""} for i in range(len(encoded.files))}
    chromium.open(page)
    some = [[i, name] for i, name in everything.items() if i not in random[10:]]
    chromium.run(f"change({some}); draw()".replace("'", '"'))
    assert chromium.text("#estimate").endswith("not known yet, name the other 50 of those drawn at random")
    chromium.run(f"change({[[i, everything[i]] for i in random]}); draw()".replace("'", '"'))
    assert re.search(r": \d+ of 60, \d+ % \(95 % interval", chromium.text("#estimate"))


@pytest.mark.nightly
def test_the_interval_is_that_of_the_reports(chromium: Browser, page: Path) -> None:
    chromium.open(page)
    for n in (1, 2, 10, 60, 1000):
        for right in {0, 1, n // 3, n - 1, n}:
            expected = accuracy_interval(np.arange(n) < right)
            assert chromium.run(f"wilson({right}, {n})") == pytest.approx(expected, abs=1e-6)


@pytest.mark.nightly
def test_nothing_can_be_sent(chromium: Browser, page: Path) -> None:
    chromium.open(page)
    picture = "Object.assign(new Image(), {src: 'http://127.0.0.1:9/x.png'}).decode()"
    for attempt in ("fetch('http://127.0.0.1:9/')", picture):
        assert chromium.run(f"{attempt}.then(() => 'sent', () => 'refused')") == "refused"
    assert chromium.run("document.querySelectorAll('link, iframe, script[src]').length") == 0
    refused = {error.split()[0] for error in chromium.errors if "Content Security Policy" in error}
    chromium.errors.clear()
    assert {"Connecting", "Loading"} <= refused


@pytest.mark.nightly
@pytest.mark.parametrize(("size", "dark"), [((360, 740), False), ((390, 800), True), ((1280, 900), True)])
def test_every_view_fits_and_has_contrast(chromium: Browser, page: Path, size: tuple[int, int], dark: bool) -> None:
    chromium.open(page, size, dark, phone=size[0] < 500)
    chromium.write("apple")
    chromium.press("Enter")
    for view in ("ask", "rows", "map"):
        chromium.click(f"#to-{view}")
        assert chromium.run("document.documentElement.scrollWidth") <= size[0]
        for text, ratio in chromium.run(CONTRAST):
            assert ratio >= 4.5, (view, text)
        assert chromium.run(UNNAMED) == 0


# The contrast of each element's own text with the nearest background, as WCAG 2 has it
CONTRAST = """(() => {
  const numbers = colour => colour.match(/[\\d.]+/g).map(Number);
  const linear = v => v / 255 <= .04045 ? v / 255 / 12.92 : ((v / 255 + .055) / 1.055) ** 2.4;
  const luminance = ([r, g, b]) => .2126 * linear(r) + .7152 * linear(g) + .0722 * linear(b);
  const ground = e => {
    const found = e ? numbers(getComputedStyle(e).backgroundColor) : [255, 255, 255];
    return found[3] === 0 ? ground(e.parentElement) : found;
  };
  const ratio = e => {
    const [a, b] = [numbers(getComputedStyle(e).color), ground(e)].map(luminance).sort((x, y) => y - x);
    return (a + .05) / (b + .05);
  };
  const texts = e => [...e.childNodes].some(n => n.nodeType === 3 && n.data.trim());
  return [...document.querySelectorAll("body *:not(script, style, noscript, option, select, :disabled)")]
    .filter(e => e.checkVisibility() && texts(e)).map(e => [e.textContent.slice(0, 40), ratio(e)]);
})()"""

UNNAMED = """[...document.querySelectorAll("button, input:not([type=file]), select, canvas, .cell")].filter(e =>
  e.checkVisibility() && !(e.textContent.trim() || e.getAttribute("aria-label") || e.labels?.length)).length"""


# ---- many pictures ---------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Any:
    def make(count: int) -> Path:
        top = tmp_path_factory.mktemp("large")
        return written(top, labelling.pictures(top / "pictures", count)[0])

    return make


@pytest.mark.nightly
def test_ten_thousand_pictures_open_and_scroll_without_a_pause(chromium: Browser, large: Any) -> None:
    page = large(10_000)
    assert page.stat().st_size < 20_000_000
    before = chromium.busy()
    chromium.open(page)
    opened = chromium.busy() - before
    assert opened < 3, "processor seconds"
    most, longest = 0, 0.0
    for size in ((1280, 900), (2560, 1440), (390, 800)):
        chromium.open(page, size, phone=size[0] < 500)
        chromium.click("#to-rows")
        chromium.run("document.fonts.ready")
        for _ in range(25):
            before = chromium.busy()
            chromium.send("Input.dispatchMouseEvent", type="mouseWheel", x=size[0] / 2, y=300, deltaX=0, deltaY=700)
            time.sleep(0.05)
            most = max(most, chromium.run("document.querySelectorAll('*').length"))
            longest = max(longest, chromium.busy() - before)  # all tasks of a turn of the wheel together
        assert chromium.run("scrollY") > 3_000
    print(f"opened in {opened:.2f} s; {most} nodes at most; {1000 * longest:.0f} ms at most for a turn of the wheel")
    assert most <= 600
    assert longest < 0.1


@pytest.mark.nightly
def test_twenty_thousand_pictures_fit(chromium: Browser, large: Any) -> None:
    page = large(20_000)
    assert page.stat().st_size <= 20_000_000
    chromium.open(page)
    assert chromium.run("page.files.length") == 20_000
