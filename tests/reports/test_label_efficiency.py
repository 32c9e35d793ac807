"""What reports say about the number of labels, from planted curves."""

import math
from typing import Any

import pytest
from sample_reports import report, typed

from unsup.reports.figures.label_panel import BOTTOM, HEIGHT, LEFT, RIGHT, WIDTH, label_panel
from unsup.reports.label_efficiency import Point, between, label_curves, labels_needed, savings
from unsup.reports.markdown import to_markdown

TOTALS = (10, 100, 1_000)


def curve(*values: float, width: float = 0.01) -> list[dict[str, Any]]:
    return [
        {"labels": n, "accuracy": v, "low": v - width, "high": v + width, "by_draw": [v - width, v + width]}
        for n, v in zip(TOTALS, values, strict=True)
    ]


def content(
    own: tuple[float, ...] = (0.5, 0.8, 0.9), width: float = 0.01, **others: tuple[float, ...]
) -> dict[str, Any]:
    """A report whose codes and baselines have these accuracies with 10, 100 and 1,000 labels, and .95 with all."""
    whole = report(probe=0.95)
    whole["scores"]["label_curve"] = {"random": curve(*own, width=width), "balanced": curve(*own, width=width)}
    for key, values in others.items():
        whole["baselines"][key]["label_curve"] = {"random": curve(*values, width=width)}
    return whole


def finetuned(labelled: int, accuracy: float, scratch: bool = True, seed: int = 0) -> dict[str, Any]:
    facts = {"share": 0.01, "scratch": scratch, "seed": seed, "labelled": labelled, "validation_images": 5_000}
    facts |= {"test_images": 10_000, "epochs": 10, "best_epoch": 3, "steps": 1_000, "views": "none", "seconds": 9.0}
    facts |= {"validation_accuracy": accuracy, "accuracy": accuracy, "low": accuracy - 0.01, "high": accuracy + 0.01}
    return facts | {"test_reads": 1, "weights_sha256": "ab" * 32, "data_sha256": "cd" * 32}


def test_labels_are_interpolated_on_a_logarithmic_scale() -> None:
    points = [Point(n, v, v, v) for n, v in ((10, 0.5), (100, 0.7), (1_000, 0.9))]
    assert labels_needed(points, 0.6) == pytest.approx(10**1.5)
    assert labels_needed(points, 0.9) == pytest.approx(1_000)
    assert labels_needed(points, 0.4) == 10 and labels_needed(points, 0.91) is None
    here = between(points, 316)
    assert here is not None and here.accuracy == pytest.approx(0.8, abs=1e-3)
    assert between(points, 9) is None and between(points, 1_001) is None


def test_the_sentence_names_what_others_need() -> None:
    found = savings(typed(content(pixels=(0.4, 0.6, 0.84), pca=(0.5, 0.8, 0.9), untrained=(0.7, 0.85, 0.88))))
    pixels = f"{10 ** (2 + (0.8 - 0.6) / (0.84 - 0.6)):.2g}"
    untrained = f"{10 ** (1 + (0.8 - 0.7) / (0.85 - 0.7)):.2g}"
    assert found == [
        "With 100 labels a probe on these codes reaches .800; for the same it takes about "
        f"{float(pixels):.0f} with raw pixels and "
        f"**only about {float(untrained):.0f} with untrained network**.",
        "With 100 labels there is **no difference beyond the spread from PCA-30**.",
    ]


def test_what_no_number_of_labels_reaches_is_said() -> None:
    (text,) = savings(typed(content((0.5, 0.94, 0.949), pixels=(0.4, 0.6, 0.84))))
    expected = "With 100 labels a probe on these codes reaches .940; for the same it takes more than all 60,000"
    assert text == f"{expected} with raw pixels."


def test_differences_within_the_spread_are_no_savings() -> None:
    close = content(pixels=(0.5, 0.79, 0.9), width=0.01)
    assert savings(typed(close)) == ["With 100 labels there is **no difference beyond the spread from raw pixels**."]
    clear = content(pixels=(0.5, 0.79, 0.9), width=0.005)
    assert "about 120 with raw pixels" in savings(typed(clear))[0]


def test_a_network_from_scratch_is_compared_on_as_many_labels() -> None:
    def sentence(*results: dict[str, Any]) -> str:
        return savings(typed(content() | {"finetuned": [*results]}))[-1]

    worse, better = sentence(finetuned(316, 0.8)), sentence(finetuned(316, 0.92))
    assert worse.endswith("on 316 labels reads .800; these codes read that with about 100.")
    assert "reads .920; **these codes need about" in better
    assert "**these codes do not reach it with all 60,000**" in sentence(finetuned(316, 0.96))
    assert "within the spread" in sentence(finetuned(316, 0.85))
    assert "reads .800" in sentence(finetuned(316, 0.78), finetuned(316, 0.82, seed=1))  # the mean over seeds
    assert savings(typed(content() | {"finetuned": [finetuned(316, 0.8, scratch=False), finetuned(5, 0.3)]})) == []


def test_recipes_and_encoders_that_saw_labels_are_marked() -> None:
    def name(chosen: str, supervision: str = "none") -> str:
        whole = content()
        whole["run"]["chosen"] = chosen
        whole["pretrained_on"] = {"images": ["other"], "supervision": [supervision]}
        return label_curves(typed(whole))[0].name

    assert [name("validation"), name("published"), name("label-free")] == ["deep_ae †", "deep_ae", "deep_ae"]
    assert name("published", "labels") == "deep_ae ‡" and name("validation", "unknown") == "deep_ae †‡"
    text = to_markdown(typed(content()))
    assert "† Its recipe was chosen with the labels of validation images" in text


def test_curves_end_with_the_probe_of_all_labels_and_old_reports_have_none() -> None:
    curves = label_curves(typed(content(pixels=(0.4, 0.6, 0.84)) | {"finetuned": [finetuned(550, 0.9)]}))
    assert [one.kind for one in curves] == ["own", "balanced", "pixels", "scratch"]
    ends = {one.kind: (one.points[-1].labels, one.points[-1].accuracy) for one in curves}
    assert ends == {"own": (60_000, 0.95), "balanced": (1_000, 0.9), "pixels": (60_000, 0.9263), "scratch": (550, 0.9)}
    assert label_curves(typed(report())) == [] and "Label efficiency" not in to_markdown(typed(report()))


def test_the_table_has_every_point() -> None:
    text = to_markdown(typed(content(pixels=(0.4, 0.6, 0.84))))
    section = text.partition("## Label efficiency")[2].partition("\n## ")[0]
    assert "| labels | 10 | 100 | 1,000 | 60,000 |" in section
    assert "| raw pixels | .400 [.390, .410] | .600 [.590, .610] | .840 [.830, .850] |" in section


def test_points_are_where_their_numbers_say() -> None:
    (only,) = [one for one in label_curves(typed(content())) if one.kind == "own"]
    panel = label_panel([only])
    places = [tuple(map(float, pair.split())) for pair in panel.curves[0].line.removeprefix("M").split("L")]
    xs, ys = zip(*places, strict=True)
    assert xs[1] - xs[0] == pytest.approx(xs[2] - xs[1], abs=0.15) and xs[3] - xs[2] == pytest.approx(
        (xs[2] - xs[1]) * math.log10(60), abs=0.2
    )
    assert LEFT < xs[0] < xs[-1] < WIDTH - RIGHT and HEIGHT - BOTTOM > ys[0] > ys[1] > ys[2]
    assert (ys[0] - ys[1]) / (ys[1] - ys[2]) == pytest.approx(3, abs=0.02)
    assert "deep_ae † .500 with 10 to .950 with 60,000" in panel.description
