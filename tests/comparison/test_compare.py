"""`unsup compare` groups, compares, writes and leaves out reports on disk."""

import csv
import io
import json
import re
import subprocess
import sys
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console
from sample_reports import comparable, generative, report, scores, unlabelled

from unsup.cli.main import main
from unsup.cli.output import log_in_terminal, show_comparison
from unsup.comparison.comparable import Comparable
from unsup.comparison.compare import compare_all, compare_folder
from unsup.comparison.table import COLUMN_NAMES, TABLE, over_seeds
from unsup.comparison.terminal import renderables
from unsup.core.errors import UsageError, UserError
from unsup.metrics.differences import Sample, differences, typical_interaction
from unsup.metrics.intervals import accuracy_over_seeds
from unsup.metrics.variance import SeedSpread, initialisation_variance

IMAGES = 400
PROBES = [0.95, 0.9425, 0.955]  # whole numbers of 400 images


def images(accuracy: float, seed: int) -> np.ndarray[Any, Any]:
    """(400,) of 0 and 1 with this mean; easy images first, some luck of the seed."""
    order = np.argsort(np.arange(IMAGES) + np.random.default_rng(seed).normal(0, 15, IMAGES))
    return np.isin(np.arange(IMAGES), order[: round(accuracy * IMAGES)]).astype(np.float32)


def put(root: Path, content: dict[str, Any], number: int = 1, correct: bool = True) -> Path:
    """Make a run folder with this report and the correctness of each test image."""
    run = content["run"]
    folder = root / run["data"] / run["model"] / f"{run['seed']}-{number:03d}"
    folder.mkdir(parents=True)
    if correct:
        arrays = {}
        for i, (prefix, scores) in enumerate([("", content["scores"]), *content["baselines"].items()]):
            start = f"{prefix}/" if prefix else ""
            for name, found in (("linear_probe", "linear_probe"), ("few_label_10", "few_label")):
                held = scores[found] if found == "linear_probe" else scores[found]["10"]
                key = "accuracy" if found == "linear_probe" else "mean"
                arrays[start + name] = images(held[key], seed=run["seed"] + 10 * i)
                held[key] = float(arrays[start + name].mean(dtype=np.float64))
        np.savez_compressed(folder / "correct.npz", **arrays)
    (folder / "report.json").write_text(json.dumps(content, indent=1) + "\n")
    return folder


def seeds(root: Path, model: str = "deep_ae", probes: list[float] = PROBES, number: int = 1, **options: Any) -> None:
    for seed, probe in enumerate(probes):
        put(root, comparable(model, seed, probe, **options), number)


def made(root: Path, data: str = "mnist", sort: str | None = None) -> list[Comparable]:
    with log_in_terminal():
        comparison = compare_folder(root / data, sort)
        show_comparison(comparison)
    return comparison.parts


def rows(part: Comparable) -> list[str]:
    return [line.name for line in part.lines]


def plain(root: Path, data: str = "mnist") -> dict[str, Any]:
    """Return the content of compare.json."""
    return json.loads((root / data / "compare.json").read_text())


def texts(part: Comparable) -> list[str]:
    return [one.text for one in part.statements]


# ---- rows over seeds -------------------------------------------------------------------------------------------------


def test_a_row_is_mean_deviation_and_interval_over_seeds(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    seeds(tmp_path)
    made(tmp_path)
    table = plain(tmp_path)["tables"][0]
    (row,) = [row for row in table["rows"] if row["kind"] == "model"]
    expected = accuracy_over_seeds(PROBES, SeedSpread.of([PROBES]))
    low, high = expected["low"], expected["high"]
    assert expected.keys() == {"n", "mean", "sd", "low", "high"} and low < np.mean(PROBES) < high
    assert row["linear probe"] == pytest.approx(expected)
    assert row["seeds"] == 3 and row["model"] == "deep_ae" and len(row["runs"]) == 3
    assert row["robustness"]["mean"] == pytest.approx(np.mean(PROBES) - 0.1)  # all severities of both corruptions
    assert row["CPU-s"]["mean"] == pytest.approx(149.2)
    assert row["augmentation"]["mean"] == 0 and row["parameters"]["mean"] == 2_837_314
    text = f"{np.mean(PROBES):.3f} ± {np.std(PROBES, ddof=1):.3f} [{low:.3f}, {high:.3f}]".replace("0.", ".")
    assert text in (tmp_path / "mnist" / "compare.md").read_text() and text in capsys.readouterr().out


def test_one_seed_has_no_spread(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    seeds(tmp_path, probes=[0.95])
    made(tmp_path)
    row = plain(tmp_path)["tables"][0]["rows"][0]
    assert row["linear probe"] == {"n": 1, "mean": 0.95}
    shown = capsys.readouterr().out.splitlines()
    assert not any("±" in line for line in shown if line.startswith("deep_ae"))


def test_two_seeds_have_a_deviation_and_no_interval(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    seeds(tmp_path, probes=[0.95, 0.9975])
    made(tmp_path)
    row = plain(tmp_path)["tables"][0]["rows"][0]
    assert row["linear probe"] == {"n": 2, "mean": pytest.approx(0.97375), "sd": pytest.approx(0.0335876)}
    assert ".974 ± .034  " in capsys.readouterr().out


def test_the_interval_of_a_share_stays_within_its_range() -> None:
    scores = {score.name: score for score in TABLE}
    high, low = [0.99, 0.995, 1.0], [0.01, 0.02, 0.0]
    accuracies = over_seeds(scores["linear probe"], high, SeedSpread.of([high]))
    assert 0.95 < accuracies["low"] < 0.99 and 0.995 < accuracies["high"] < 1
    assert 0 < over_seeds(scores["k-means ACC"], low, SeedSpread.of([low]))["low"] < 0.01
    assert over_seeds(scores["k-means ARI"], [0.0, 0.01, -0.01], None)["low"] < -0.01
    assert over_seeds(scores["reconstruction SSE"], [1.0, 5.0, 9.0], None)["high"] > 14


def test_the_spread_of_other_models_is_in_the_interval_from_three_seeds_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = [0.75, 0.85, 0.95]
    seeds(tmp_path)
    seeds(tmp_path, "ae", other)
    put(tmp_path, comparable("vae", probe=0.9))
    put(tmp_path, comparable("pca", probe=0.8))
    made(tmp_path)
    by_model = {row["model"]: row for row in plain(tmp_path)["tables"][0]["rows"] if row["kind"] == "model"}
    alone = accuracy_over_seeds(PROBES, SeedSpread.of([PROBES]))
    pooled = accuracy_over_seeds(PROBES, SeedSpread.of([PROBES, other]))
    assert by_model["deep_ae"]["linear probe"] == pytest.approx(pooled)
    assert pooled["high"] - pooled["low"] != pytest.approx(alone["high"] - alone["low"], rel=0.05)
    for model, probe in (("vae", 0.9), ("pca", 0.8)):
        assert by_model[model]["linear probe"] == {"n": 1, "mean": probe}
    assert ".900 [" not in capsys.readouterr().out
    assert "pooled over the models of the table" in (tmp_path / "mnist" / "compare.md").read_text()


def test_a_number_that_not_every_seed_has_says_so(tmp_path: Path) -> None:
    seeds(tmp_path)
    path = tmp_path / "mnist" / "deep_ae" / "1-001" / "report.json"
    content = json.loads(path.read_text())
    del content["scores"]["rankme"]
    path.write_text(json.dumps(content))
    made(tmp_path)
    assert "(2 of 3)" in (tmp_path / "mnist" / "compare.md").read_text()
    assert plain(tmp_path)["tables"][0]["rows"][0]["RankMe"]["n"] == 2


def test_baselines_are_sorted_among_models_with_untrained_networks_below_theirs(tmp_path: Path) -> None:
    seeds(tmp_path)
    wide = comparable("wide", probe=0.9)
    wide["baselines"]["pca"]["code_dim"] = 64
    put(tmp_path, wide)
    (part,) = made(tmp_path)
    assert rows(part) == ["deep_ae", "untrained", "raw pixels", "wide", "untrained", "PCA-30", "PCA-64"]
    assert [row["kind"] for row in plain(tmp_path)["tables"][0]["rows"]][:3] == ["model", "untrained", "baseline"]


# ---- groups ----------------------------------------------------------------------------------------------------------


def test_groups_are_named_by_exactly_the_options_that_differ(tmp_path: Path) -> None:
    seeds(tmp_path, code_dim=30, lr=0.01, widths=[500, 250])
    seeds(tmp_path, number=2, probes=[0.9, 0.91], code_dim=30, lr=0.02, widths=[500, 250])
    seeds(tmp_path, "ae", probes=[0.85], code_dim=30)
    (part,) = made(tmp_path)
    assert [group.name for group in part.groups] == ["deep_ae, lr=0.01", "deep_ae, lr=0.02", "ae"]
    assert [len(group.runs) for group in part.groups] == [3, 2, 1]


def test_a_short_name_is_still_a_name_of_one_group(tmp_path: Path) -> None:
    options = [{"a": {"size": 1}, "b": {"size": 1}}, {"a": {"size": 2}, "b": {"size": 1}, "mask": 0.5}]
    options += [{"a": {"size": 2}, "b": {"size": 2}}, {"a": {"size": 1}, "b": {"size": 2}}]
    for i, one in enumerate(options):
        put(tmp_path, comparable("ae", probe=0.95 - i / 100, **one), i + 1)
    (part,) = made(tmp_path)
    assert [group.name for group in part.groups] == [
        "ae, model.a.size=1, model.b.size=1",
        "ae, model.a.size=2, model.b.size=1, mask=0.5",
        "ae, model.a.size=2, model.b.size=2",
        "ae, model.a.size=1, model.b.size=2",
    ]


def test_places_and_seeds_make_no_groups(tmp_path: Path) -> None:
    for seed in range(2):
        content = comparable(seed=seed)
        content["provenance"]["config"]["data"]["init_args"]["root"] = f"somewhere/{seed}"
        content["provenance"]["config"]["init_from"] = f"runs/mnist/ae/{seed}-001"
        content["provenance"]["config"]["seed"] = seed
        content["provenance"]["config"] |= {"threads": 2, "evaluate": "no"} if seed else {"evaluate": "full"}
        put(tmp_path, content)
    (part,) = made(tmp_path)
    assert [group.name for group in part.groups] == ["deep_ae"] and len(part.groups[0].runs) == 2


def test_codes_of_another_size_are_another_group(tmp_path: Path) -> None:
    put(tmp_path, comparable())
    other = comparable(seed=1)
    other["scores"]["code_dim"] = 64
    put(tmp_path, other)
    (part,) = made(tmp_path)
    assert sorted(group.name for group in part.groups) == ["deep_ae, dim=30", "deep_ae, dim=64"]
    seeds(tmp_path, "ae", code_dim=10)
    small = comparable("ae", seed=7, code_dim=20)
    small["scores"]["code_dim"] = 20
    put(tmp_path, small)
    (part,) = made(tmp_path)  # what follows from an option is not named
    assert {"ae, code_dim=10", "ae, code_dim=20"} <= {group.name for group in part.groups}


@pytest.mark.parametrize(
    ("where", "value", "said"),
    [
        (("protocol",), 5, "protocol"),
        (("draft",), 2, "draft of the protocol"),
        (("provenance", "data_sha256"), "a" * 64, "version of the data"),
    ],
)
def test_what_is_not_comparable_is_in_another_table(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], where: tuple[str, ...], value: Any, said: str
) -> None:
    seeds(tmp_path)
    other = comparable("ae")
    (other if len(where) == 1 else other[where[0]])[where[-1]] = value
    put(tmp_path, other)
    parts = made(tmp_path)
    assert sorted(group.name for part in parts for group in part.groups) == ["ae", "deep_ae"]
    assert all(len(part.groups) == 1 for part in parts)
    assert f"2 tables: the reports differ in {said}" in capsys.readouterr().out
    for name in ("compare.md", "compare.html"):
        assert f"the reports differ in {said}" in (tmp_path / "mnist" / name).read_text()


def test_copies_of_test_images_are_said_once(tmp_path: Path) -> None:
    for number in (1, 2):
        content = comparable("ae", number)
        content["scores"]["copies"] = {"pairs": 300, "expected": 0.5, "test": 290}
        put(tmp_path, content, number)
    (note,) = compare_folder(tmp_path / "mnist", None).notes
    assert note.startswith("290 of 10,000 test images have a copy to learn from: these accuracies are too high")


def test_older_schemas_are_named_once_and_not_mixed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    seeds(tmp_path)
    for seed in range(2):
        put(tmp_path, report("ae", seed=seed) | {"schema": 1, "protocol": 1}, correct=False)
    newest, older = made(tmp_path)
    assert (newest.version.schema, older.version.schema, older.version.protocol) == (4, 1, 1)
    assert [group.name for group in older.groups] == ["ae"]
    told = [line for line in capsys.readouterr().err.splitlines() if "themselves" in line]
    assert len(told) == 1 and "2 report(s) of protocol 1 have" in told[0]


def test_of_two_runs_of_one_seed_the_newest_counts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    put(tmp_path, comparable(probe=0.9), number=2)
    put(tmp_path, comparable(probe=0.95), number=10)
    put(tmp_path, comparable(probe=0.85), number=1)
    (part,) = made(tmp_path)
    assert part.groups[0].values("linear probe") == [0.95]
    told = capsys.readouterr().err
    assert re.search(r"0-001 is left out: \S*0-002 is newer", told)
    assert re.search(r"0-002 is left out: \S*0-010 is newer", told)


# ---- what cannot be used ---------------------------------------------------------------------------------------------


def spoiled(path: tuple[str, ...], value: Any) -> str:
    content: Any = comparable("bad")
    found = content
    for key in path[:-1]:
        found = found[key]
    if value is None:
        del found[path[-1]]
    else:
        found[path[-1]] = value
    return json.dumps(content, indent=1)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("", "damaged or half-written"),
        (spoiled(("run", "model"), "bad")[:2000], "damaged or half-written"),
        ("[1, 2]", "not a report"),
        ("\udcff", "damaged or half-written"),
        (spoiled(("scores", "rankme"), float("nan")), "it holds NaN"),
        (spoiled(("scores", "rankme"), "many"), "scores.rankme is 'many'"),
        (spoiled(("scores", "linear_probe"), 5), "damaged: scores.linear_probe is 5"),
        (spoiled(("scores", "robustness", "blur"), [0.1, "x", 0.2]), "damaged: scores.robustness.blur\\[1\\] is 'x'"),
        (spoiled(("baselines", "pca"), "none"), "damaged: baselines.pca is 'none'"),
        (spoiled(("baselines",), []), "baselines is \\[\\]"),
        (spoiled(("run", "model"), None), "run.model is missing"),
        (spoiled(("provenance", "data_sha256"), None), "provenance.data_sha256 is missing"),
        (spoiled(("scores",), None), "scores is missing"),
        (spoiled(("protocol",), "two"), "protocol is 'two'"),
        (spoiled(("selfcheck", "passed"), 8), "failed its own check \\(8 of 9\\)"),
        (spoiled(("frozen", "after"), "0"), "changed the encoder"),
        (spoiled(("test_reads",), 2), "read 2 times"),
    ],
)
def test_reports_that_cannot_be_used_are_named_and_left_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: str, reason: str
) -> None:
    seeds(tmp_path)
    bad = tmp_path / "mnist" / "bad" / "0-001"
    bad.mkdir(parents=True)
    (bad / "report.json").write_text(content, errors="surrogateescape")
    (part,) = made(tmp_path)
    assert [group.name for group in part.groups] == ["deep_ae"]
    (told,) = capsys.readouterr().err.splitlines()
    assert str(bad / "report.json") in told and re.search(reason, told) and f"unsup evaluate {bad}" in told


def test_nothing_usable_is_an_error_and_other_data_sets_go_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    put(tmp_path, comparable(data="kmnist"))
    for data in ("aaa", "zzz"):
        (tmp_path / data / "ae" / "0-001").mkdir(parents=True)
        (tmp_path / data / "ae" / "0-001" / "report.json").write_text("{")
    assert main(["compare", "--runs", str(tmp_path)]) == 1
    assert (tmp_path / "kmnist" / "compare.html").exists() and not (tmp_path / "zzz" / "compare.md").exists()
    told = capsys.readouterr()
    assert re.search(r"none of the reports in \S*aaa can be used.*none of the reports in \S*zzz can be used", told.err)
    assert "kmnist" in told.out


def test_no_reports_and_a_mistyped_data_set(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no reports in .*: unsup train"):
        compare_all(tmp_path / "none")
    put(tmp_path, comparable())
    with pytest.raises(UserError, match="did you mean 'mnist'"):
        compare_all(tmp_path, "mnits")


# ---- sorting ---------------------------------------------------------------------------------------------------------


def three(root: Path) -> None:
    for model, probe, sse in (("a", 0.9, 5.0), ("b", 0.95, 9.0), ("c", 0.925, None)):
        content = comparable(model, probe=probe)
        content["scores"].pop("reconstruction")
        if sse is not None:
            content["scores"]["reconstruction"] = {"sse_per_image": sse, "mse_per_pixel": sse / 784}
        put(root, content)


@pytest.mark.parametrize(
    ("column", "order"),
    [
        (None, "bca"),
        ("few-label 10", "bca"),
        ("reconstruction SSE", "abc"),
        ("Reconstruction sse", "abc"),
        ("model", "abc"),
    ],
)
def test_sorted_by_any_column_errors_from_small_to_large_and_blanks_last(
    tmp_path: Path, column: str | None, order: str
) -> None:
    three(tmp_path)
    compare_all(tmp_path, sort=column)
    models = [row["model"] for row in plain(tmp_path)["tables"][0]["rows"] if row["kind"] == "model"]
    assert "".join(models) == order


@pytest.mark.parametrize("column", COLUMN_NAMES)
def test_every_column_can_be_sorted_by(tmp_path: Path, column: str) -> None:
    three(tmp_path)
    (part,) = made(tmp_path, sort=column)
    assert part.sort == (column if column != "Fréchet" else "linear probe")  # no row generates


def test_an_unknown_column_is_a_usage_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    three(tmp_path)
    with pytest.raises(UsageError, match="no column 'few-lable 10' \\(did you mean 'few-label 10'\\?\\)"):
        compare_all(tmp_path, sort="few-lable 10")
    assert main(["compare", "--runs", str(tmp_path), "--sort", "few-lable 10"]) == 2
    assert "did you mean" in capsys.readouterr().err


def test_images_without_labels_are_sorted_by_reconstruction(tmp_path: Path) -> None:
    for model, sse in (("a", 9.0), ("b", 5.0), ("c", 50.0), ("d", 60.0)):
        content = unlabelled()
        content["run"]["model"] = content["provenance"]["config"]["recipe"] = model
        content["scores"]["reconstruction"] = {"sse_per_image": sse, "mse_per_pixel": sse / 784}
        put(tmp_path, content, correct=False)
    (part,) = made(tmp_path, "folder")
    assert part.sort == "reconstruction SSE"
    assert [name for name in rows(part) if name != "untrained"] == ["b", "a", "PCA-30", "c", "d", "raw pixels"]
    assert not part.statements and not part.choice and not any(part.variance.values())
    assert "linear probe" not in (tmp_path / "folder" / "compare.md").read_text()


# ---- paired statements -----------------------------------------------------------------------------------------------


def test_statements_say_what_the_images_say(tmp_path: Path) -> None:
    seeds(tmp_path)
    seeds(tmp_path, "ae", [0.85, 0.86])
    (part,) = made(tmp_path)
    found = {(one.a, one.b): one for one in part.statements}
    assert list(found) == [
        ("deep_ae", ""),
        *((("deep_ae", name)) for name in ("untrained network", "PCA-30", "raw pixels")),
        *((("ae", name)) for name in ("untrained network", "PCA-30", "raw pixels", "deep_ae")),
    ]
    assert found["deep_ae", ""].text == "deep_ae: the best by linear probe; not separable from it: raw pixels"

    def loaded(model: str, n: int, name: str) -> Any:
        return np.stack([np.load(tmp_path / "mnist" / model / f"{s}-001" / "correct.npz")[name] for s in range(n)])

    own, other = loaded("deep_ae", 3, "linear_probe"), loaded("ae", 2, "linear_probe")
    spread = SeedSpread.of([own.mean(axis=1).tolist(), other.mean(axis=1).tolist()])
    interaction = typical_interaction([own, other])
    models = [Sample.of(x, spread, interaction) for x in (own, other)]
    shared = [Sample.of(loaded("deep_ae", 1, f"{key}/linear_probe")) for key in ("pca", "pixels")]
    rows = [*models, *shared]
    expected = differences(rows, [(1, 0)], [(i, j) for i in range(4) for j in range(i)])[0]
    one = found["ae", "deep_ae"]
    assert expected["separable"] and one.family == "best"
    assert {key: one.difference[key] for key in expected} == pytest.approx(expected, abs=1e-6)
    assert one.difference["seeds"] == [2, 3] and one.difference["about"] == "method"
    d, low, high = (-100 * expected[key] for key in ("difference", "high", "low"))
    agree = one.difference["mcnemar"]["agree"]
    text = f"ae < deep_ae (the best) by {d:.1f} points [{low:.1f}, {high:.1f}], methods, 2 and 3 seeds"
    assert one.text == f"{text} (McNemar agrees in {agree} of 6)"
    baseline = found["deep_ae", "PCA-30"]
    assert baseline.family == "baselines" and ", method, 3 seeds (McNemar agrees in 3 of 3)" in baseline.text
    assert found["deep_ae", "raw pixels"].text.endswith("30 against 784 dimensions)")
    below = found["ae", "raw pixels"]
    assert below.difference["high"] < 0 and below.text.startswith("ae < raw pixels by ")
    written = plain(tmp_path)["tables"][0]
    assert written["paired"][-1] == {"a": "ae", "b": "deep_ae", "text": one.text, "family": "best", **one.difference}
    assert written["best"] == ["deep_ae", "raw pixels"] and "planned" not in written


def test_the_statements_on_baselines_are_one_family(tmp_path: Path) -> None:
    seeds(tmp_path)
    seeds(tmp_path, "ae", [0.85, 0.86])
    (part,) = made(tmp_path)
    found = {(one.a, one.b): one.difference for one in part.statements}

    def loaded(model: str, n: int, name: str) -> Any:
        return np.stack([np.load(tmp_path / "mnist" / model / f"{s}-001" / "correct.npz")[name] for s in range(n)])

    runs = [loaded("deep_ae", 3, "linear_probe"), loaded("ae", 2, "linear_probe")]
    spread = SeedSpread.of([x.mean(axis=1).tolist() for x in runs])
    samples, pairs = [], []
    for model, own in zip(("deep_ae", "ae"), runs, strict=True):
        at = len(samples)
        samples.append(Sample.of(own, spread))
        samples += [Sample.of(loaded(model, 1, f"{key}/linear_probe")) for key in ("untrained", "pca", "pixels")]
        pairs += [(at, at + i) for i in (1, 2, 3)]
    for (at, _), expected in zip(pairs, differences(samples, pairs), strict=True):
        name = ("deep_ae", "ae")[at > 0]
        (match,) = [d for (a, _), d in found.items() if a == name and d and d["difference"] == expected["difference"]]
        assert {key: match[key] for key in expected} == pytest.approx(expected, abs=1e-6)


def test_one_seed_without_others_is_about_this_run(tmp_path: Path) -> None:
    put(tmp_path, comparable("deep_ae", probe=0.95))
    put(tmp_path, comparable("ae", probe=0.8))
    (part,) = made(tmp_path)
    found = {(one.a, one.b): one for one in part.statements}
    assert ", this run, 1 seed (" in found["ae", "raw pixels"].text
    assert ", these runs, 1 seed (" in found["ae", "deep_ae"].text
    assert found["ae", "deep_ae"].difference["about"] == "run"


def test_what_is_not_separable_from_the_best_is_bold(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for model, probe in (("a", 0.95), ("b", 0.945), ("c", 0.7)):
        content = comparable(model, probe=probe)
        for key in ("pixels", "pca"):
            content["baselines"][key]["linear_probe"]["accuracy"] = 0.6
        put(tmp_path, content)
    (part,) = made(tmp_path)
    assert part.findings.best == ["a", "b"]
    assert texts(part)[0] == "a: the best by linear probe; not separable from it: b"
    lines = (tmp_path / "mnist" / "compare.md").read_text().splitlines()
    table = reversed([line for line in lines if line.startswith("| ")])  # other tables come later
    bold = {line.split(" | ")[0].strip("| "): "**" in line for line in table}
    assert bold["a"] and bold["b"] and not any(bold[name] for name in ("c", "*raw pixels*", "*PCA-30*"))
    assert "bold: not separable from the best by linear probe" in "\n".join(lines)
    html = (tmp_path / "mnist" / "compare.html").read_text()
    assert len(re.findall(r"<td[^>]*><strong>", html)) == 2
    by_model = {one.a: one for one in part.statements if one.family == "best"}
    assert not by_model["b"].difference["separable"] and by_model["c"].difference["separable"]


def test_a_planned_contrast_has_its_own_narrower_interval(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for model, probe in (("a", 0.95), ("b", 0.93), ("c", 0.9), ("d", 0.89)):
        put(tmp_path, comparable(model, probe=probe))
    assert main(["compare", "--runs", str(tmp_path), "--a", "b", "--b", "a"]) == 0
    out = capsys.readouterr().out
    planned = plain(tmp_path)["tables"][0]["planned"]
    (other,) = [
        one for one in plain(tmp_path)["tables"][0]["paired"] if one["a"] == "b" and one.get("family") == "best"
    ]
    assert planned["family"] == "planned" and planned["difference"] == other["difference"]
    assert planned["high"] - planned["low"] < 0.8 * (other["high"] - other["low"])
    assert "Planned contrast, by linear probe" in out and planned["text"] in " ".join(out.split())
    for name in ("compare.md", "compare.html"):
        assert "Planned contrast, by linear probe" in (tmp_path / "mnist" / name).read_text()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--a", "ae"], "a contrast has two rows: give --a <row> and --b <row>"),
        (["--a", "ae", "--b", "raw pixel"], "no row 'raw pixel' (did you mean 'raw pixels'?)"),
        (["--a", "ae", "--b", "untrained network"], "no row 'untrained network'"),
    ],
)
def test_a_contrast_of_rows_that_do_not_exist_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], message: str
) -> None:
    put(tmp_path, comparable("ae"))
    assert main(["compare", "--runs", str(tmp_path), *words]) == 2
    assert message in capsys.readouterr().err


def test_a_contrast_needs_a_data_set_and_the_arrays(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = put(tmp_path, comparable("ae"))
    put(tmp_path, comparable("ae", data="kmnist"))
    words = ["compare", "--runs", str(tmp_path), "--a", "ae", "--b", "raw pixels"]
    assert main(words) == 2
    assert "a contrast is of one data set: give it, --data <name> (kmnist, mnist)" in capsys.readouterr().err
    assert main([*words, "--data", "mnist"]) == 0
    (run / "correct.npz").unlink()
    assert main([*words, "--data", "mnist"]) == 1
    assert f"ae: nothing can be said, {run / 'correct.npz'} is missing" in capsys.readouterr().err


@pytest.mark.parametrize("probes", [[0.9], [0.9, 0.8925]])
def test_spread_over_untrained_initialisations_widens_the_interval(tmp_path: Path, probes: list[float]) -> None:
    each = [0.6, 0.95, 0.9]
    for seed, probe in enumerate(probes):
        content = comparable(seed=seed, probe=probe)
        content["baselines"]["untrained"] = scores(30, 0.82) | {"by_initialisation": {"linear_probe": each}}
        run = put(tmp_path, content)
    (part,) = made(tmp_path)
    (one,) = [one for one in part.statements if one.b == "untrained network"]
    arrays = [np.load(run.parent / f"{seed}-001" / "correct.npz") for seed in range(len(probes))]
    sides = [Sample.of(np.stack([one["linear_probe"] for one in arrays]))]
    sides += [Sample.of(arrays[0][f"{key}/linear_probe"]) for key in ("untrained", "pca", "pixels")]
    narrow = differences(sides, [(0, 1), (0, 2), (0, 3)])[0]
    variance, df = initialisation_variance(each, sides[0].share.mean(), len(sides[0].share), len(probes))
    sides[1] = replace(sides[1], variance=variance, df=df)
    expected = differences(sides, [(0, 1), (0, 2), (0, 3)])[0]
    assert {key: one.difference[key] for key in expected} == expected
    assert not expected["separable"] and narrow["separable"]


@pytest.mark.parametrize("wrong", [3, [], {"linear_probe": 0.9}, {"linear_probe": []}, {"linear_probe": ["x"]}])
def test_damaged_initialisations_are_named(tmp_path: Path, wrong: Any, capsys: pytest.CaptureFixture[str]) -> None:
    content = comparable(seed=1)
    content["baselines"]["untrained"]["by_initialisation"] = wrong
    put(tmp_path, content)
    seeds(tmp_path, probes=[0.95])
    (part,) = made(tmp_path)
    assert [row.seeds for row in part.rows if row.group] == [1]
    assert "damaged: baselines.untrained.by_initialisation" in capsys.readouterr().err


def test_what_cannot_be_separated_is_called_so(tmp_path: Path) -> None:
    seeds(tmp_path, probes=[0.95, 0.9425])
    seeds(tmp_path, "dae", probes=[0.945, 0.95])
    (part,) = made(tmp_path)
    (one,) = [one for one in part.statements if one.family == "best"]
    assert not one.difference["separable"]
    words = r"deep_ae and dae \(the best\): not separable"
    assert re.fullmatch(words + r" \([+-]\d\.\d points \[-\d+\.\d, \d+\.\d\]\), methods, 2 seeds", one.text)


def test_statements_follow_the_column_sorted_by(tmp_path: Path) -> None:
    seeds(tmp_path)
    (part,) = made(tmp_path, sort="few-label 10")
    assert part.probe == "few-label 10"
    correct = [np.load(tmp_path / "mnist" / "deep_ae" / f"{s}-001" / "correct.npz") for s in range(3)]
    own, pixels = np.stack([one["few_label_10"] for one in correct]), correct[0]["pixels/few_label_10"]
    assert part.statements[-1].difference["difference"] == pytest.approx(own.mean() - pixels.mean(), abs=1e-6)
    assert "by few-label 10" in (tmp_path / "mnist" / "compare.md").read_text()


def test_missing_correctness_is_reported_with_the_remedy(tmp_path: Path) -> None:
    seeds(tmp_path)
    seeds(tmp_path, "ae", [0.85, 0.86])
    for seed in range(2):
        (tmp_path / "mnist" / "deep_ae" / f"{seed}-001" / "correct.npz").unlink()
    (part,) = made(tmp_path)
    run = tmp_path / "mnist" / "deep_ae" / "0-001"
    missing = f"deep_ae: nothing can be said, {run / 'correct.npz'} is missing: unsup evaluate {run}, and the same"
    assert texts(part)[1] == f"{missing} for 1 more of its runs"
    assert [(one.a, one.b) for one in part.statements if one.b] == [
        *(("ae", name) for name in ("untrained network", "PCA-30", "raw pixels", "raw pixels"))
    ]
    assert part.findings.best[0] == "raw pixels"


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda path: path.write_bytes(path.read_bytes()[:300]), "is damaged"),
        (lambda path: path.write_bytes(b""), "is damaged"),
        (lambda path: np.savez(path, linear_probe=np.ones(IMAGES)), "is not that of its report"),
        (lambda path: np.savez(path, other=np.ones(3)), "lacks linear_probe"),
        (lambda path: np.savez(path, linear_probe=np.repeat(np.load(path)["linear_probe"], 2)), "different numbers"),
    ],
)
def test_damaged_images_are_named(tmp_path: Path, damage: Any, reason: str) -> None:
    seeds(tmp_path)
    damage(tmp_path / "mnist" / "deep_ae" / "1-001" / "correct.npz")
    (part,) = made(tmp_path)
    (text,) = texts(part)
    assert reason in text and "unsup evaluate " in text


# ---- variance, choice without labels ---------------------------------------------------------------------------------


def test_variance_by_source(tmp_path: Path) -> None:
    seeds(tmp_path)
    put(tmp_path, comparable("ae", probe=0.9))
    path = tmp_path / "mnist" / "ae" / "0-001" / "report.json"
    content = json.loads(path.read_text())
    del content["scores"]["probe_draws"]
    path.write_text(json.dumps(content))
    (part,) = made(tmp_path)
    found = part.variance["deep_ae"]
    assert found["linear probe: training seed"] == pytest.approx(np.std(PROBES, ddof=1))
    assert found["test sampling"] == pytest.approx(0.008 / (2 * 1.96), rel=1e-3)  # the report's 95 % interval
    assert found["probe draws"] == pytest.approx(0.0031) and found["few-label draws"] == pytest.approx(0.0121)
    assert found["k-means restarts"] == pytest.approx(0.0234)
    acc = [0.7 * probe for probe in PROBES]
    assert found["k-means ACC: training seed"] == pytest.approx(np.std(acc, ddof=1))
    assert not {"probe draws", "linear probe: training seed"} & part.variance["ae"].keys()
    text = (tmp_path / "mnist" / "compare.md").read_text()
    assert f"| {100 * np.std(PROBES, ddof=1):.2f} | 0.20 | 0.31 |" in text


def test_rank_correlation_with_what_labels_say(tmp_path: Path) -> None:
    for i, model in enumerate("abcd"):
        content = comparable(model, probe=0.9 + 0.01 * i)
        content["scores"]["rankme"] = 10.0 + i
        content["scores"]["reconstruction"]["sse_per_image"] = 10.0 - i
        content["scores"]["silhouette"]["raw"] = (0.1, 0.2, 0.2, 0.1)[i]
        put(tmp_path, content, correct=False)
    (part,) = made(tmp_path)
    assert part.choice["RankMe"]["linear probe"] == {"r": 1, "n": 4}
    assert part.choice["reconstruction SSE"]["k-means ACC"] == {"r": -1, "n": 4}
    assert part.choice["silhouette"]["linear probe"]["r"] == pytest.approx(0, abs=1e-12)
    assert "dead units" not in part.choice and "alignment" not in part.choice  # all the same; absent
    text = (tmp_path / "mnist" / "compare.md").read_text()
    assert "| RankMe | higher | +1.00 | +1.00 | 4 |" in text and "over the means of 4 groups. That is few" in text
    (tmp_path / "mnist" / "d" / "0-001" / "report.json").unlink()
    assert not made(tmp_path)[0].choice
    assert "without labels?" not in (tmp_path / "mnist" / "compare.md").read_text()


# ---- files -----------------------------------------------------------------------------------------------------------


def test_csv_holds_every_number_of_every_row(tmp_path: Path) -> None:
    seeds(tmp_path)
    put(tmp_path, generative("vae"), correct=False)
    made(tmp_path)
    lines = list(csv.DictReader(io.StringIO((tmp_path / "mnist" / "compare.csv").read_text())))
    flat = [row for table in plain(tmp_path)["tables"] for row in table["rows"]]
    assert len(lines) == len(flat)
    for line, row in zip(lines, flat, strict=True):
        assert (
            line["model"] == (f"{row['of']}, untrained" if "of" in row else row["model"])
            and line["kind"] == row["kind"]
        )
        assert line["seeds"] == str(row.get("seeds", ""))
        for column in TABLE:
            for key in ("mean", "sd", "low", "high", "n"):
                text, value = line[f"{column.name} {key}"], row.get(column.name, {}).get(key)
                assert text == "" if value is None else float(text) == value


class Tags(HTMLParser):
    """A parser that checks that tags are closed and collects links."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.loaded: list[str] = []
        self.seen: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append(tag)
        self.loaded += [str(value) for name, value in attrs if name in ("src", "href")]
        if tag not in ("meta", "link", "br", "img"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_page_is_complete_in_itself_and_escapes_what_it_shows(tmp_path: Path) -> None:
    seeds(tmp_path, "<b>deep", lr="<script>alert(1)</script>")
    seeds(tmp_path, "<b>deep", number=2, lr=0.1)
    made(tmp_path)
    text = (tmp_path / "mnist" / "compare.html").read_text()
    page = Tags(text)
    assert not page.open and not page.loaded
    assert page.seen.count("script") == 1 and "link" not in page.seen and "b" not in page.seen
    assert "@import" not in text and "url(" not in text and "prefers-color-scheme: dark" in text
    assert page.seen.count("table") == 3 and 'aria-sort="descending"' in text


def test_all_files_hold_the_same_rows_and_are_the_same_again(tmp_path: Path) -> None:
    seeds(tmp_path)
    seeds(tmp_path, "ae", [0.85, 0.86])
    made(tmp_path)
    names = [f"compare.{kind}" for kind in ("md", "csv", "json", "html", "tex")]
    before = {name: (tmp_path / "mnist" / name).read_bytes() for name in names}
    for name, content in before.items():
        for model in ("deep_ae", "raw pixels", "PCA-30", "untrained"):
            assert (model.replace("_", r"\_") if name.endswith("tex") else model).encode() in content
    made(tmp_path)
    assert before == {name: (tmp_path / "mnist" / name).read_bytes() for name in names}
    assert {path.name for path in (tmp_path / "mnist").iterdir()} == {"ae", "deep_ae", *names}


def test_each_column_says_how_it_was_chosen(tmp_path: Path) -> None:
    seeds(tmp_path)
    made(tmp_path)
    for name in ("compare.md", "compare.html"):
        text = (tmp_path / "mnist" / name).read_text()
        assert "linear probe: labelled training images; C chosen with validation labels" in text
        assert "k-means: inductive" in text and "restart by inertia, without any labels" in text
        assert "Fréchet" not in text  # no row has it


# ---- terminal --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("width", range(60, 130))
def test_names_stay_whole_at_any_width(tmp_path: Path, width: int) -> None:
    seeds(tmp_path, "selflabel")
    part, out = made(tmp_path)[0], io.StringIO()
    console = Console(file=out, width=width)
    for piece in renderables(part, width):
        console.print(piece)
    lines = out.getvalue().splitlines()
    assert any(line.startswith("selflabel ") for line in lines)
    assert any(line.startswith("  untrained ") for line in lines)


def test_piped_output_fits_a_hundred_columns_and_names_the_rest(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    seeds(tmp_path, code_dim=30, widths=[1000, 500, 250], lr=0.01)
    seeds(tmp_path, number=2, code_dim=30, widths=[2000, 1000, 500, 250], lr=0.02)
    made(tmp_path)
    out = capsys.readouterr().out
    assert max(len(line) for line in out.splitlines() if not line.startswith("files ")) <= 100
    assert "widths=[1000" in out.replace("\n", "")  # brackets are no markup
    assert "Further columns in the files:" in out and "k-means NMI" in out and "compare.{html,md,csv,json,tex}" in out
    assert "linear probe" in out and "seeds" in out


def test_the_column_sorted_by_is_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    seeds(tmp_path)
    made(tmp_path, sort="augmentation")
    out = capsys.readouterr().out
    assert "augmentation" in out.partition("Further columns")[0] and "sorted by augmentation" in out


def test_of_many_models_the_terminal_shows_the_first(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for i in range(14):
        put(tmp_path, comparable("ae", probe=0.8 + 0.01 * i, lr=i), number=i + 1)
    made(tmp_path)
    out = capsys.readouterr().out
    assert "The files have the same on the other 4 models." in out
    assert len(re.findall(r"^ae, lr=\d+ \S+ untrained network", out, re.M)) == 10
    assert len(plain(tmp_path)["tables"][0]["paired"]) == 1 + 14 * 3 + 13


SCRIPT = """
import sys
from unsup.cli.main import main
from unsup.cli.output import log_in_terminal, show_comparison
assert main(["compare", "--runs", sys.argv[1]]) == 0
heavy = {"torch", "lightning", "sklearn", "matplotlib", "scipy.stats", "jsonargparse"} & set(sys.modules)
assert not heavy, heavy
"""


def test_nothing_heavy_is_imported(tmp_path: Path) -> None:
    seeds(tmp_path)
    subprocess.run([sys.executable, "-c", SCRIPT, str(tmp_path)], check=True, capture_output=True)


def seconds_to_compare(runs: Path, models: int) -> float:
    """CPU-seconds of `unsup compare` on four seeds of each model, the start of the interpreter included."""
    import resource

    for i in range(models):
        seeds(runs, "ae", [0.8 + 0.002 * i + 0.0025 * s for s in range(4)], number=i + 1, lr=i)
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    command = [sys.executable, "-m", "unsup", "compare", "--runs", str(runs)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert f"{models} models" in (runs / "mnist" / "compare.md").read_text() and not done.stderr
    return (after.ru_utime - before.ru_utime) + (after.ru_stime - before.ru_stime)


@pytest.mark.slow
def test_two_hundred_reports_take_seconds(tmp_path: Path) -> None:
    """The ratio is 2.3 to 3.1; seconds are those of the machine: about 1 for the eight."""
    assert seconds_to_compare(tmp_path / "many", 50) < 6 * seconds_to_compare(tmp_path / "few", 2)


def test_a_report_without_the_compared_number_is_named_and_hides_nothing(tmp_path: Path) -> None:
    put(tmp_path, comparable("ae"))
    seeds(tmp_path)
    path = tmp_path / "mnist" / "deep_ae" / "1-001" / "report.json"
    content = json.loads(path.read_text())
    del content["scores"]["linear_probe"]
    path.write_text(json.dumps(content))
    (part,) = made(tmp_path)
    assert {group.name for group in part.groups} == {"ae", "deep_ae"}
    said = texts(part)
    assert any(
        re.search("deep_ae: nothing can be said, .*1-001/report.json has no linear probe", text) for text in said
    )
    assert any(text.startswith("ae ") for text in said)


def test_a_column_that_no_report_has_is_reported(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    put(tmp_path, comparable("ae"))
    compare_folder(tmp_path / "mnist", "Fréchet")
    assert "no report has a Fréchet: sorted by linear probe" in caplog.text


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({}, "deep_ae, untrained"),
        ({"parameters": 0}, "deep_ae, max_epochs=0"),  # it has nothing to train
        ({"encoder": "timm:resnet18"}, "deep_ae, max_epochs=0"),
        ({"steps": 5}, "deep_ae, max_epochs=0"),
    ],
)
def test_a_run_that_trained_nothing_is_a_row_named_untrained(change: dict[str, Any], name: str, tmp_path: Path) -> None:
    put(tmp_path, report())
    content = report(probe=0.97)  # the best, by chance
    content["run"] |= {"epochs": 0} | change
    content["provenance"]["config"]["trainer"] |= {"max_epochs": 0}
    put(tmp_path, content, number=2)
    (part,) = compare_folder(tmp_path / "mnist", None).parts
    (row,) = (row for row in part.rows if row.group and row.name == name)
    trained = name != "deep_ae, untrained"
    assert part.is_best(row) is trained and any(statement.a == name for statement in part.statements) is trained


@pytest.mark.parametrize("where", ["init_from", "fit"])
def test_weights_from_elsewhere_are_not_untrained(where: str, tmp_path: Path) -> None:
    content = report()
    content["run"]["epochs"] = 0
    if where == "init_from":
        content["provenance"]["init_from"] = {"run": "mnist/dae/0-001", "weights_sha256": "ab"}
    else:
        content["pretrained_on"] = {"images": ["these training images"], "supervision": ["none"]}
    put(tmp_path, content)
    (part,) = compare_folder(tmp_path / "mnist", None).parts
    assert [group.untrained for group in part.groups] == [False]


def test_another_checkpoint_is_another_row(tmp_path: Path) -> None:
    put(tmp_path, report())
    content = report()
    content["run"]["checkpoint"] = "best.ckpt"
    put(tmp_path, content, number=2)
    (part,) = compare_folder(tmp_path / "mnist", None).parts
    assert [group.name for group in part.groups] == ["deep_ae", "deep_ae, checkpoint=best"]


def test_callbacks_are_named_by_class_and_by_the_arguments_that_differ(tmp_path: Path) -> None:
    package = "lightning.pytorch.callbacks"
    for number, patience in enumerate((None, 1, 3), 1):
        content = report()
        if patience:
            stop = {"class_path": f"{package}.EarlyStopping", "init_args": {"patience": patience, "mode": "min"}}
            average = {"class_path": f"{package}.EMAWeightAveraging", "init_args": {"decay": 0.9}}
            content["provenance"]["config"]["trainer"]["callbacks"] = [stop, average]
        put(tmp_path, content, number=number)
    (part,) = compare_folder(tmp_path / "mnist", None).parts
    both = "deep_ae, callbacks=EarlyStopping + EMAWeightAveraging"
    assert sorted(group.name for group in part.groups) == ["deep_ae", f"{both}, patience=1", f"{both}, patience=3"]
