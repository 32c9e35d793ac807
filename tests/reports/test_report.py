"""A report says what its numbers say, in JSON, Markdown and the terminal alike."""

import io
import json
import math
import re
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from sample_reports import difference, generative, on_contents, probes, report, scores, typed, unlabelled

from unsup.core.errors import UserError
from unsup.reports import markdown
from unsup.reports import report as reports
from unsup.reports import verdict as verdicts
from unsup.reports.format import accuracy, distance, error, markdown_table, signed, with_bounds
from unsup.reports.format import with_interval as interval_of
from unsup.reports.format import with_spread as spread_of
from unsup.reports.report import read_report
from unsup.reports.score_schema import Difference, DrawScores, ProbeScores

to_markdown, verdict = on_contents(markdown.to_markdown), on_contents(verdicts.verdict)
summary_of, write_report = on_contents(reports.summary), on_contents(reports.write_report)


def with_interval(probe: dict[str, Any]) -> str:
    return interval_of(ProbeScores(**({"C": 1.0} | probe)))


def with_spread(draws: dict[str, Any]) -> str:
    return spread_of(DrawScores(**draws))


def terminal(content: dict[str, Any], width: int = 100) -> str:
    screen = io.StringIO()
    Console(file=screen, width=width).print(summary_of(content))
    return screen.getvalue()


def test_a_narrow_table_leaves_the_sentences_wide() -> None:
    content = unlabelled()
    content["baselines"], content["scores"] = {}, {"code_dim": 30}
    lines = terminal(content).splitlines()
    assert " ".join(lines[-2:]).replace("  ", " ") == (
        "These images have no classes of their own, so these scores do not measure classification. No baselines were "
        "computed, so these numbers cannot show whether anything was learned."
    )


def section(text: str, title: str) -> str:
    return text.partition(f"## {title}\n")[2].partition("\n## ")[0]


def column(text: str, name: str) -> list[str]:
    """The cells of the first table that has this column."""
    for table in text.split("\n\n"):
        lines = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.split("\n") if line[:1] == "|"]
        if lines and name in lines[0]:
            return [line[lines[0].index(name)] for line in lines[2:]]
    raise ValueError(f"no column {name}")


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.9512, ".951"), (1.0, "1.000"), (0.9996, "1.000"), (0, ".000"), (-0.0123, "-.012"), (-0.0004, ".000")],
)
def test_accuracies_are_written_one_way(value: float, text: str) -> None:
    assert accuracy(value) == text


@pytest.mark.parametrize(
    ("difference", "low", "high", "text"),
    [
        (0.021, 0.015, 0.027, "+.021 [+.015, +.027]"),
        (0.0006, 0.0002, 0.001, "+.0006 [+.0002, +.0010]"),  # "[+.000, …]" would hold 0
        (-0.002, -0.004, -0.00001, "-.0020000 [-.0040000, -.0000100]"),
        (0.001, 0.0, 0.002, "+.001 [+.000, +.002]"),
        (0.0, -0.0004, 0.0004, "+.000 [+.000, +.000]"),
    ],
)
def test_bounds_show_whether_they_leave_out_zero(difference: float, low: float, high: float, text: str) -> None:
    separable = low > 0 or high < 0
    assert with_bounds(Difference(difference=difference, low=low, high=high, separable=separable)) == text


def test_other_numbers_are_written_one_way() -> None:
    assert [signed(v) for v in (0.021, -0.012, 0.0, -0.0004)] == ["+.021", "-.012", "+.000", "+.000"]
    assert [error(v) for v in (9.134, 13.874, 126.04, 1234.5)] == ["9.13", "13.87", "126.0", "1,234.5"]
    assert [distance(v) for v in (0.09083, 4.318, 93.42, 1234.5, -0.00012)] == [
        "0.0908",
        "4.32",
        "93.4",
        "1,234",
        "-0.00012",
    ]
    assert with_interval({"accuracy": 0.9, "low": 0.89, "high": 0.91}) == ".900 [.890, .910]"
    assert with_spread({"mean": 0.8, "std": 0.01, "draws": 20}) == ".800 ± .010"
    assert with_spread({"mean": 0.8, "std": 0.0, "draws": 1}) == ".800"


def test_every_number_of_the_summary_is_in_markdown_and_terminal() -> None:
    content = report()
    summary, shown = section(to_markdown(content), "Summary"), terminal(content)
    baselines = content["baselines"]
    in_order = [content["scores"], baselines["untrained"], baselines["pca"], baselines["pixels"]]
    expected = {
        "dim": [f"{s['code_dim']}" for s in in_order],
        "linear probe": [with_interval(s["linear_probe"]) for s in in_order],
        "few-label 10": [with_spread(s["few_label"]["10"]) for s in in_order],
        "few-label 1": [with_spread(s["few_label"]["1"]) for s in in_order],
        "kNN": [accuracy(s["knn"]["accuracy"]) for s in in_order],
        "k-means ACC": [accuracy(s["kmeans"]["test"]["acc"]) for s in in_order],
        "k-means NMI": [accuracy(s["kmeans"]["test"]["nmi"]) for s in in_order],
        "k-means ARI": [accuracy(s["kmeans"]["test"]["ari"]) for s in in_order],
        "reconstruction SSE": ["9.13", "52.31", "13.87", ""],
        "RankMe": [error(s["rankme"]) for s in in_order],
    }
    assert column(summary, "codes") == ["**deep_ae**", "untrained network", "PCA-30", "raw pixels"]
    lines = {line[:18].strip(): line[18:].split("  ") for line in shown.splitlines()}
    for name, cells in expected.items():
        assert column(summary, name) == cells
        assert [cell.strip() for cell in lines[name] if cell.strip()] == [cell for cell in cells if cell]


@pytest.mark.parametrize("content", [report(), report("deep_ae_layerwise"), unlabelled(), generative()])
def test_the_terminal_summary_takes_at_most_100_columns(content: dict[str, Any]) -> None:
    assert terminal(content, 160).rstrip() and max(map(len, terminal(content, 160).splitlines())) <= 100


def test_a_long_name_is_folded() -> None:
    name = "a_model_with_a_rather_long_name"
    shown = terminal(report(name, probe=0.9512)).partition("few-label")[0]
    assert max(map(len, shown.splitlines())) <= 100
    assert ".951 [.947, .955]" in shown


def test_every_section_holds_its_numbers() -> None:
    content = report()
    text = to_markdown(content)
    own, untrained = content["scores"], content["baselines"]["untrained"]
    assert (
        "Evaluator checked: 9 of 9. " in text
        and "Test images read once for these numbers." in text
        and "abababababab" in text
    )
    layers = section(text, "Layers")
    assert column(layers, "layer") == ["h1", "h2", "code"] and column(layers, "dim") == ["1,000", "500", "30"]
    assert column(layers, "linear probe")[0] == with_interval(own["layers"]["h1"]["linear_probe"])
    assert column(layers, "untrained: linear probe")[1] == with_interval(untrained["layers"]["h2"]["linear_probe"])
    assert column(layers, "untrained: few-label 10")[2] == with_spread(untrained["few_label"]["10"])
    assert column(section(text, "Classes"), "PCA-30")[9] == accuracy(
        content["baselines"]["pca"]["linear_probe"]["per_class"][9]
    )
    kmeans = section(text, "k-means")
    raw, l2 = own["kmeans"]["raw"], own["kmeans"]["l2"]
    assert column(kmeans, "train")[0] == " / ".join(accuracy(raw["train"][m]) for m in ("acc", "nmi", "ari"))
    assert column(kmeans, "test")[1] == " / ".join(accuracy(l2["test"][m]) for m in ("acc", "nmi", "ari"))
    assert column(kmeans, "ACC over restarts")[0] == ".642 ± .023"
    assert column(kmeans, "all images at once")[0] == ".647 / .580 / .523"
    others = section(text, "Other measures")
    assert column(others, "kNN, raw")[0] == ".961" and column(others, "kNN, unit length")[0] == ".963"
    assert (
        column(others, "kNN, weighted")[0] == ".955"
        and column(others, "few-label 10, standardised")[0] == ".839 ± .013"
    )
    classes = section(text, "Classes")
    assert column(classes, "balanced accuracy")[0] == ".950" and column(classes, "macro F1")[0] == ".949"
    assert column(classes, "chance")[0] == ".113" and column(classes, "NLL of the probe")[0] == "0.249"
    assert column(classes, "calibration error")[0] == ".012" and column(classes, "if calibrated")[0] == ".004"
    assert column(others, "MSE per pixel") == ["0.01165", "0.06672", "0.01770", ""]
    how = section(text, "How the numbers were made")
    assert "C chosen by cross-entropy on validation" in how and "20 draws" in how and "restart chosen by inertia" in how
    origin = section(text, "Where it comes from")
    for part in ("unsup train deep_ae --data mnist --seed 0", "0123456789abcdef", "Some CPU, 2 cores", "torch 2.15.0"):
        assert part in origin
    assert (
        "20 epochs, 2.0 minutes of wall time, 7,412 images/s, 2,837,314 parameters" in origin
        and "max_epochs: 20" in origin
    )


def test_pictures_are_linked_by_relative_paths_with_a_description() -> None:
    found = re.findall(r"!\[([^\]]+)\]\(([^)]+)\)", to_markdown(report()))
    assert found == [(alt, path) for path, alt in report()["figures"].items()]
    assert all(not path.startswith(("/", "http")) for _, path in found)


def test_unlabelled_images_have_no_labelled_columns() -> None:
    text = to_markdown(unlabelled())
    assert "no classes of their own" in text and "9.13 (deep_ae), 52.31 (untrained network), 13.87 (PCA-30)" in text
    for absent in ("linear probe", "k-means", "## Layers", "## Classes", "## Against", "few-label", "kNN", "Brackets"):
        assert absent not in text, absent
    assert "linear probe" not in terminal(unlabelled()) and "9.13" in terminal(unlabelled())


def test_a_report_without_baselines_says_so() -> None:
    content = report()
    content["baselines"], content["comparisons"] = {}, {}
    assert "No baselines were computed" in to_markdown(content)
    assert "deep_ae" in terminal(content)


def test_the_verdict_praises_only_what_is_clearly_above() -> None:
    assert verdict(report()).count("**above every baseline**") == 2
    content = report()
    content["comparisons"]["pca"]["linear_probe"] = difference(0.0011)
    content["comparisons"]["pixels"]["linear_probe"] = difference(-0.03)
    first, second = verdict(content).split(" Few-label")
    assert "above every baseline" not in first and "above every baseline" in second
    assert "**not separable from PCA-30 (+.001 [-.003, +.005])**" in first
    assert "**below raw pixels (-.030 [-.034, -.026])**" in first
    assert "above untrained network +.068 [+.064, +.072]" in first
    against = section(to_markdown(content), "Against the baselines")
    assert column(against, "Linear probe")[1] == "+.001 [-.003, +.005] **not separable**"
    assert column(against, "this model minus") == ["untrained network", "PCA-30", "raw pixels"]
    assert "not separable from PCA-30" in " ".join(terminal(content).split())


def test_the_summary_shows_where_a_run_started() -> None:
    content = report("dec")
    before = section(to_markdown(content), "Summary")
    content["start"] = {"run": "mnist/dae_wide/3-001", "scores": {"code_dim": 10, **probes(0.9)}}
    text = section(to_markdown(content), "Summary")
    names, accuracies = column(text, "codes"), column(text, "linear probe")
    assert names[:2] == ["**dec**", "dae_wide 3-001, where it started"] and accuracies[1].startswith(".900 ")
    assert [names[0], *names[2:]] == column(before, "codes")


@pytest.mark.parametrize(
    ("curves", "scores", "reason"),
    [
        (
            {"train/loss": [[0, 20.0], [50, 9e12], [99, 7e12]]},
            {},
            "never fell below its first value (20, at last 7e+12)",
        ),
        ({"train/loss": [[0, 2.0], [50, 2.0]]}, {}, "never fell below its first value (2, at last 2)"),
        ({"val/loss": [[50, 3.25], [99, 3.25], [150, 3.25]]}, {}, "the validation loss stayed at 3.25"),
        ({}, {"dead_units": 30, "rankme": 1.0}, "all images have the same code"),
        ({}, {"rankme": 1.04}, "the codes vary in one direction only (effective rank 1.0 of 30)"),
    ],
)
def test_a_run_that_did_not_learn_is_reported_first(
    curves: dict[str, Any], scores: dict[str, Any], reason: str
) -> None:
    content = report() | {"curves": {"train/grad_norm": [[0, 1.0]], **curves}}
    content["scores"] |= scores
    first = verdict(content).partition("; try a smaller learning rate.**")
    assert first[0].startswith("**This run did not learn: ") and first[0].endswith(reason) and first[1]
    assert reason in " ".join(terminal(content).split())
    assert verdict(content).endswith(verdict(report()))


def test_a_run_that_learned_is_not_reported_so() -> None:
    train = [[0, 20.0], [50, 4.0], [99, 25.0]]  # it fell, whatever came later
    val = [[50, 3.25], [99, 3.26]]
    norm = {"train/grad_norm": [[0, 1.0]]}
    game = {"train/loss": [[0, 1.4], [50, 2.0]]}  # without that norm: several optimizers
    learned = {"train/loss": train, "val/loss": val, **norm}
    for content in (report(), report() | {"curves": learned}, report() | {"curves": game}, unlabelled()):
        assert "did not learn" not in verdict(content)
    alone = report() | {"curves": {"train/loss": [[0, 20.0]], "val/loss": [[0, 3.0]], **norm}}
    alone["scores"] |= {"code_dim": 1, "rankme": 1.0}  # more than one direction it cannot have
    assert "did not learn" not in verdict(alone)


def test_a_model_that_equals_a_baseline_is_not_separable() -> None:
    content = report()
    content["comparisons"] = {"pixels": {"linear_probe": difference(0.0, 0.0)}}
    assert "not separable from raw pixels (+.000 [+.000, +.000])" in verdict(content)


@pytest.mark.parametrize(
    ("change", "warning"),
    [
        ({"selfcheck": {"passed": 8, "total": 9}}, "failed its own check: do not trust any number"),
        ({"frozen": {"before": "a", "after": "b"}}, "changed the encoder: do not trust any number"),
        ({"test_reads": 3}, "**Test images read 3 times.**"),
    ],
)
def test_what_went_wrong_is_said_at_the_top(change: dict[str, Any], warning: str) -> None:
    assert warning in to_markdown(report() | change).partition("## Summary")[0]


def test_reduced_codes_are_mentioned() -> None:
    content = report()
    content["scores"]["reduced"] = {"dim": 256, "for": ["k-means", "kNN", "RankMe", "silhouette"]}
    text = section(to_markdown(content), "Summary")
    assert "K-means, kNN, RankMe and silhouette see the first 256 principal components" in text


def test_many_classes_show_the_hardest_ten() -> None:
    content = report()
    for found in (content["scores"], *content["baselines"].values()):
        found["linear_probe"]["per_class"] = [(c * 37 % 100) / 100 for c in range(100)]
    del content["run"]["class_names"]
    table = section(to_markdown(content), "Classes")
    assert column(table, "deep_ae") == [accuracy(c / 100) for c in range(10)]
    assert column(table, "class")[1] == "73"  # 73 · 37 = 2701


def test_written_and_read_back(tmp_path: Path) -> None:
    content = report()
    write_report(tmp_path, content)
    again = read_report(tmp_path / "report.json")
    assert again == typed(content) and json.loads((tmp_path / "report.json").read_text()) == content
    assert to_markdown(again) == (tmp_path / "report.md").read_text(encoding="utf-8")
    assert {p.name for p in tmp_path.iterdir()} == {"report.json", "report.md", "report.html"}
    write_report(tmp_path, content | {"test_reads": 2})
    assert read_report(tmp_path / "report.json").test_reads == 2


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, None, Path("x"), 1 + 1j])
def test_values_that_a_report_cannot_have_are_refused(tmp_path: Path, value: Any) -> None:
    write_report(tmp_path, report())
    before = (tmp_path / "report.json").read_bytes()
    content = typed(report())
    content.scores.layers["h1"].linear_probe.C = value
    with pytest.raises(UserError, match=r"report\.json: scores\.layers\.h1\.linear_probe\.C is "):
        write_report(tmp_path, content)
    content = typed(report())
    content.scores.linear_probe.per_class[3] = value
    with pytest.raises(UserError, match=r"scores\.linear_probe\.per_class\[3\] is "):
        write_report(tmp_path, content)
    assert (tmp_path / "report.json").read_bytes() == before  # nothing half-written


@pytest.mark.parametrize("text", ['{"a": NaN}', '{"a": Infinity}', '{"a": null}', "{", "3"])
def test_damaged_files_are_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "report.json").write_text(text)
    with pytest.raises(UserError, match=r"report\.json"):
        read_report(tmp_path / "report.json")


def test_half_a_surrogate_pair_is_damage(tmp_path: Path) -> None:
    content = report()
    content["schema"] = "\ud800"
    (tmp_path / "report.json").write_text(json.dumps(content))
    with pytest.raises(UserError, match=r"report\.json.*damaged: it holds text that is not Unicode"):
        read_report(tmp_path / "report.json")


def test_a_failed_write_leaves_the_old_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_report(tmp_path, report())

    def full(self: Path, content: bytes) -> int:
        with self.open("wb") as file:
            file.write(content[:100])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OSError, match="No space"):
        write_report(tmp_path, report(seed=1))
    assert json.loads((tmp_path / "report.json").read_text())["run"]["seed"] == 0
    assert {p.name for p in tmp_path.iterdir()} == {"report.json", "report.md", "report.html"}


def test_tables_escape_bars_and_leave_gaps_blank() -> None:
    assert markdown_table([{"a": "x|y"}, {"b": "1"}]).splitlines() == [
        "| a | b |",
        "| --- | ---: |",
        "| x\\|y |  |",
        "|  | 1 |",
    ]


def test_a_floor_without_codes_of_the_same_size_is_named_by_its_own() -> None:
    content = report()
    content["baselines"]["pca"] = scores(16, 0.88, 20.0)
    assert "PCA-16" in verdict(content)


def test_what_a_model_generates_stands_between_the_untrained_and_the_real() -> None:
    text = to_markdown(generative())
    generation = section(text, "Generation")
    assert column(generation, "images") == ["**vae**", "real against real", "untrained network"]
    assert column(generation, "Fréchet") == ["4.32", "0.0908", "93.4"]
    assert column(generation, "kernel") == ["0.0432", "0.000908", "0.934"]
    assert column(generation, "precision") == [".812", ".862", ".021"]
    assert column(generation, "recall") == [".734", ".886", ".003"]
    assert "FID" not in text and "10,000 new images against as many test images" in generation
    assert "64 features of a small classifier, validation accuracy .991" in generation
    how = section(text, "How the numbers were made")
    for number in ("Fréchet, kernel", "precision, recall", "-ELBO", "NLL"):
        assert number in column(how, "number")
    assert "over 100 posterior samples" in how and "for the features alone" in how
    others = section(text, "Other measures")
    assert column(others, "KL, nats")[:2] == ["25.17", "0.04"] and column(others, "active units")[:2] == ["19", "0"]


def test_the_summary_shows_generation_and_likelihood_of_the_untrained_network() -> None:
    content = generative()
    summary, shown = section(to_markdown(content), "Summary"), terminal(content)
    expected = {
        "Fréchet": ["4.32", "93.4"],
        "precision": [".812", ".021"],
        "recall": [".734", ".003"],
        "-ELBO": ["101.3", "546.8"],
        "NLL, k = 100": ["96.69", "542.2"],
    }
    assert column(summary, "codes") == ["**vae**", "untrained network", "PCA-30", "raw pixels"]  # no column for "real"
    for name, (own, untrained) in expected.items():
        assert column(summary, name) == [own, untrained, "", ""]
        (line,) = (line for line in shown.splitlines() if line.startswith(f"{name} "))
        assert line.removeprefix(name).split() == [own, untrained]
    assert "except for the reconstruction error, distances and nats" in summary


def test_reports_without_generation_do_not_mention_it() -> None:
    for content in (report(), unlabelled()):
        text = to_markdown(content) + terminal(content)
        for absent in ("Generation", "Fréchet", "ELBO", "nats per test image", "distances", "active units"):
            assert absent not in text, absent
        assert not re.search("NLL(?! of the probe)", text)


def test_generation_and_likelihood_may_come_alone() -> None:
    content = generative()
    for found in (content["scores"], *content["baselines"].values()):
        found.pop("likelihood", None)
    text = to_markdown(content)
    assert "## Generation" in text and "ELBO" not in text and not re.search("NLL(?! of the probe)", text)
    content = generative()
    for found in (content["scores"], *content["baselines"].values()):
        found.pop("generation", None)
    text = to_markdown(content)
    assert "## Generation" not in text and column(section(text, "Summary"), "-ELBO")[0] == "101.3"


def test_fid_is_shown_where_it_was_computed() -> None:
    content = generative()
    content["scores"]["generation"]["fid"] = 28.95
    assert column(section(to_markdown(content), "Generation"), "FID") == ["28.9", "", ""]
    assert column(section(to_markdown(content), "Summary"), "FID")[0] == "28.9"


def test_a_report_with_many_baselines_fits_a_hundred_columns() -> None:
    content = report()
    for key in ("pca_chosen", "statistics"):
        content["baselines"][key] = scores(64, 0.7, classes=10)
    lines = terminal(content).splitlines()
    assert max(map(len, lines)) <= 100 and "…" not in "".join(lines)
    at = next(i for i, line in enumerate(lines) if line.startswith("linear probe "))
    assert lines[at].split()[2] == ".951" and lines[at + 1].split()[:2] == ["[.947,", ".955]"]
