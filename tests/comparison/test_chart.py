"""The chart of a comparison has its marks where the numbers of the table are."""

import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from comparison.test_compare import PROBES, made, put, seeds
from sample_reports import comparable, unlabelled

from unsup.comparison.chart import BOTTOM, HEIGHT, LEFT, MOST, RIGHT, TOP, WIDTH, Chart, Mark, chart
from unsup.comparison.comparable import Comparable


def drawn(part: Comparable) -> Chart:
    found = chart(part)
    assert found is not None
    return found


def value_at(found: Chart, position: float) -> float:
    """The value at a position, from two ticks of the axis."""
    first, last = found.axis[0], found.axis[-1]
    a, b = float(first.text), float(last.text)
    return a + (position - first.at) / (last.at - first.at) * (b - a)


def marks(found: Chart) -> dict[str, Mark]:
    return {mark.name: mark for mark in found.marks}


def test_marks_are_at_the_means_with_the_intervals_of_the_table(tmp_path: Path) -> None:
    seeds(tmp_path)
    put(tmp_path, comparable("ae", probe=0.91))
    (part,) = made(tmp_path)
    found = drawn(part)
    rows, by_name = {row.name: row for row in part.rows}, marks(found)
    assert found.column == "linear probe" and [mark.number for mark in found.marks] == [*range(1, len(rows) + 1)]
    assert [mark.at for mark in found.marks] == sorted((mark.at for mark in found.marks), reverse=True)
    several = rows["deep_ae"].statistics["linear probe"]
    assert several["n"] == 3 and by_name["deep_ae"].over_seeds and not by_name["ae"].over_seeds
    for name, low, high in (
        ("deep_ae", several["low"], several["high"]),
        ("ae", 0.91 - 0.0041, 0.91 + 0.0039),
        ("raw pixels", *rows["raw pixels"].interval),
    ):
        mark = by_name[name]
        assert mark.whisker is not None
        measured = [value_at(found, position) for position in (mark.whisker[0], mark.at, mark.whisker[1])]
        assert measured == pytest.approx([low, rows[name].value("linear probe"), high], abs=2e-5)
    before = by_name["ae"].untrained
    assert before is not None and rows["ae"].untrained is not None
    assert value_at(found, before) == pytest.approx(rows["ae"].untrained.value("linear probe"), abs=2e-5)
    assert by_name["raw pixels"].untrained is None
    for words in ("thick lines", "thin lines", "circles", "paired differences below decide"):
        assert words in found.note


def test_two_seeds_have_no_interval(tmp_path: Path) -> None:
    seeds(tmp_path, probes=PROBES[:2])
    (part,) = made(tmp_path)
    assert marks(drawn(part))["deep_ae"].whisker is None


def test_a_baseline_that_is_far_below_all_models_does_not_stretch_the_axis(tmp_path: Path) -> None:
    content = comparable("ae", probe=0.91)
    content["baselines"]["pca"]["linear_probe"] |= {"accuracy": 0.21, "low": 0.2, "high": 0.22}
    put(tmp_path, content, correct=False)
    (part,) = made(tmp_path)
    found = drawn(part)
    beyond = marks(found)["PCA-30"]
    assert beyond.beyond and beyond.at == 0 and beyond.whisker is None and beyond.text == ".210"
    assert not any(mark.beyond for mark in found.marks if mark is not beyond) and "triangles" in found.note
    assert all(0.8 < float(tick.text) < 1 for tick in found.axis)
    assert all("PCA-30" not in point.description for panel in found.panels for point in panel.points)


def costly(model: str, probe: float, dim: int, seconds: float, **more: Any) -> dict[str, Any]:
    content = comparable(model, probe=probe)
    content["scores"]["code_dim"] = dim
    content["run"] |= {"code_dim": dim, "stages_cpu_seconds": seconds} | more
    return content


def test_scores_are_drawn_against_dimension_and_compute(tmp_path: Path) -> None:
    for model, probe, dim, seconds in (("a", 0.9, 8, 0.5), ("b", 0.92, 32, 50.0), ("c", 0.94, 128, 5.0)):
        content = costly(model, probe, dim, seconds)
        content["run"].pop("stages_gpu_seconds")
        put(tmp_path, content)
    (part,) = made(tmp_path)
    found = drawn(part)
    dimension, compute = found.panels
    assert dimension.title.startswith("dimensions") and compute.title.startswith("CPU-seconds")
    numbers = {mark.number: mark.name for mark in found.marks}
    x = {numbers[point.number]: point.x for point in dimension.points}
    assert x["c"] - x["b"] == pytest.approx(x["b"] - x["a"])  # a logarithmic axis
    x = {numbers[point.number]: point.x for point in compute.points}
    assert x.keys() == {"a", "b", "c"} and x["b"] - x["c"] == pytest.approx(x["c"] - x["a"])  # baselines take nothing
    for panel in found.panels:
        y = {numbers[point.number]: point.y for point in panel.points}
        assert y["c"] < y["b"] < y["a"]
        for point in panel.points:
            assert LEFT <= point.x <= WIDTH - RIGHT and TOP <= point.y <= HEIGHT - BOTTOM
            assert 0 < math.dist(point.label, (point.x, point.y)) < 30


def test_compute_is_that_of_gpus_if_all_models_used_one(tmp_path: Path) -> None:
    for model, seconds in (("a", 60.0), ("b", 600.0)):
        put(tmp_path, costly(model, 0.9, 30, 3.0, stages_gpu_seconds=seconds))
    (part,) = made(tmp_path)
    assert [panel.title.split()[0] for panel in drawn(part).panels] == ["dimensions", "GPU-seconds"]


def test_numbers_of_points_cover_no_other_point(tmp_path: Path) -> None:
    for i in range(6):
        put(tmp_path, costly(f"ae{i}", 0.9 + 0.0001 * i, 30, 1.0 + 0.01 * i))
    (part,) = made(tmp_path)
    for panel in drawn(part).panels:
        labels = [np.array(point.label) for point in panel.points]
        for i, label in enumerate(labels):
            assert all(np.abs(label - other).max() > 8 for other in labels[:i])


def test_unlabelled_images_are_compared_by_the_reconstruction(tmp_path: Path) -> None:
    for model, sse in (("ae", 9.0), ("deep_ae", 7.0)):
        content = unlabelled()
        content["run"]["model"] = model
        content["scores"]["reconstruction"]["sse_per_image"] = sse
        put(tmp_path, content, correct=False)
    (part,) = made(tmp_path, "folder")
    found = drawn(part)
    assert found.column == "reconstruction SSE" and [mark.name for mark in found.marks][:2] == ["deep_ae", "ae"]
    assert not any(mark.whisker for mark in found.marks)


def test_many_rows_are_cut_and_a_single_one_has_no_chart(tmp_path: Path) -> None:
    for i in range(MOST + 3):
        put(tmp_path, comparable("ae", probe=0.9 + 0.001 * i, lr=i), i + 1)
    (part,) = made(tmp_path)
    found = drawn(part)
    assert len(found.marks) == MOST and f"without the {found.left_out} last rows" in found.note
    alone = comparable("ae", data="kmnist") | {"baselines": {}, "comparisons": {}}
    put(tmp_path, alone, correct=False)
    (part,) = made(tmp_path, "kmnist")
    assert chart(part) is None
    assert '<figure class="chart">' not in (tmp_path / "kmnist" / "compare.html").read_text()


def test_the_page_has_the_chart_and_costs_in_a_table_of_their_own(tmp_path: Path) -> None:
    seeds(tmp_path)
    made(tmp_path)
    text = (tmp_path / "mnist" / "compare.html").read_text()
    assert text.count('<figure class="chart">') == 1 and text.count('role="img"') >= 1
    assert text.count('rotate(-90)">linear probe</text>') == text.count('role="img"')
    scores, costs = text.split('<table class="sortable">')[1:]
    heads = [re.findall(r'data-first="\w+"><button type="button">(.*?)</button>', part) for part in (scores, costs)]
    plain = [[re.sub("<.*?>", "", head) for head in some] for some in heads]
    assert "linear probe" in plain[0] and "seeds" in plain[0] and not {"CPU-s", "parameters"} & {*plain[0]}
    assert plain[1][0] == "model" and {"CPU-s", "GPU-s", "parameters", "augmentation"} <= {*plain[1]}
    assert "raw pixels" in scores and "raw pixels" not in costs.partition("</table>")[0]
