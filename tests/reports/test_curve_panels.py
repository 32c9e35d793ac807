"""Learning curves are drawn where their numbers say."""

import re

import pytest

from unsup.reports.figures.curves import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH, panels


def places(path: str) -> list[tuple[float, float]]:
    return [(float(x), float(y)) for x, y in re.findall(r"(-?[\d.]+) (-?[\d.]+)", path)]


def test_training_and_validation_share_a_panel_and_the_loss_comes_first() -> None:
    two, kl = [[0, 1.0], [10, 0.5]], [[0, 0.1], [10, 0.2]]
    found = panels({"train/lr": two, "train/kl": kl, "train/loss": two, "val/loss": two, "val/kl": kl, "scores/x": two})
    assert [panel.title for panel in found] == ["loss", "KL divergence", "learning rate", "scores/x"]
    assert [[line.kind for line in panel.lines] for panel in found] == [["train", "val"]] * 2 + [["train"], ["other"]]


def test_a_loss_that_is_one_of_its_terms_is_drawn_once() -> None:
    two, other = [[0, 1.0], [10, 0.5]], [[0, 1.0], [10, 0.6]]
    both = {"train/loss": two, "val/loss": other, "train/reconstruction": two, "val/reconstruction": other}
    (panel,) = panels(both)
    assert panel.title == "loss = reconstruction" and [line.kind for line in panel.lines] == ["train", "val"]
    assert [panel.title for panel in panels(both | {"val/reconstruction": two})] == ["loss", "reconstruction"]
    assert [panel.title for panel in panels({"train/a": two, "train/b": two})] == ["a", "b"]


def test_titles_are_words() -> None:
    two = [[0, 1.0], [10, 0.5]]
    tags = ("train/grad_norm", "online/kmeans_acc", "train/some_term")
    titles = [panel.title for panel in panels(dict.fromkeys(tags, two))]
    assert titles == ["gradient norm", "k-means ACC, online score", "some term"]


def test_single_points_and_nothing_at_all_are_no_curves() -> None:
    assert panels({}) == []
    assert panels({"val/loss": [[1, 2.0]], "train/loss": []}) == []
    (panel,) = panels({"train/loss": [[0, 2.0], [1, 1.0]], "val/loss": [[1, 2.0]]})
    assert [line.kind for line in panel.lines] == ["train"]


def test_linear_places() -> None:
    """Three equally spaced values: left below, middle, right above; ticks lie on the same scale."""
    (panel,) = panels({"train/loss": [[0, 2.0], [50, 3.0], [100, 4.0]]})
    assert panel.scale == "linear"
    (x0, y0), (x1, y1), (x2, y2) = places(panel.lines[0].path)
    assert (x0, x2) == (LEFT, WIDTH - RIGHT) and x1 == pytest.approx((x0 + x2) / 2, abs=0.1)
    assert HEIGHT - BOTTOM > y0 > y1 > y2 > TOP and y1 == pytest.approx((y0 + y2) / 2, abs=0.11)
    assert {tick.text: tick.at for tick in panel.y_ticks}["3"] == pytest.approx(y1, abs=0.06)
    assert {tick.text: tick.at for tick in panel.x_ticks}["100"] == x2


def test_a_wide_range_of_positive_values_is_logarithmic() -> None:
    (panel,) = panels({"train/loss": [[0, 1000.0], [1, 10.0], [2, 0.1]]})
    assert panel.scale == "logarithmic" and "logarithmic" in panel.description
    ys = [y for _, y in places(panel.lines[0].path)]
    assert ys[1] - ys[0] == pytest.approx(ys[2] - ys[1], abs=0.11)
    assert {tick.text: tick.at for tick in panel.y_ticks}["10"] == pytest.approx(ys[1], abs=0.06)
    for values in ([-1.0, 1000.0], [0.0, 1000.0], [10.0, 12.0]):
        (panel,) = panels({"train/loss": [[i, value] for i, value in enumerate(values)]})
        assert panel.scale == "linear"


@pytest.mark.parametrize(
    "values",
    [[1.0, 1.0], [0.0, 0.0], [-5.0, -5.0], [1e-12, 1e12], [1e-9, 2e-9], [3.0, 3.0001], [-1e9, 1e9], [2.0, 15.0]],
)
def test_every_line_and_tick_stays_on_its_panel(values: list[float]) -> None:
    (panel,) = panels({"val/x": [[1000 + i, value] for i, value in enumerate(values)]})
    for x, y in places(panel.lines[0].path):
        assert LEFT <= x <= WIDTH - RIGHT and TOP <= y <= HEIGHT - BOTTOM
    assert all(TOP <= tick.at <= HEIGHT - BOTTOM for tick in panel.y_ticks)
    assert all(LEFT <= tick.at <= WIDTH - RIGHT for tick in panel.x_ticks)
    assert len(panel.y_ticks) <= 6 and len({tick.text for tick in panel.y_ticks}) == len(panel.y_ticks) > 0


def test_the_description_tells_first_and_last_values() -> None:
    (panel,) = panels({"train/loss": [[0, 4.0], [100, 2.0]], "val/loss": [[50, 3.0], [100, 2.5]]})
    assert "over 100 steps" in panel.description
    assert "training from 4 to 2, validation from 3 to 2.5" in panel.description


def test_points_out_of_order_are_sorted() -> None:
    (panel,) = panels({"train/loss": [[10, 1.0], [0, 2.0], [5, 1.5]]})
    xs = [x for x, _ in places(panel.lines[0].path)]
    assert xs == sorted(xs)
