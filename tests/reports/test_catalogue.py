"""The catalogue of scores: every entry is in a report, explained, and in the tables that it names."""

import json
from pathlib import Path
from typing import Any, get_type_hints

import pytest
from reports.test_sections import full
from sample_reports import comparable, generative, typed

from unsup.comparison.groups import score_values
from unsup.core.errors import UserError
from unsup.reports.catalogue import SCORES, Tables, find_score, number, row_of, scores_in, start_scores
from unsup.reports.methods import explanations
from unsup.reports.record import Record
from unsup.reports.report import parse_report, read_report, to_json
from unsup.reports.schema import Report
from unsup.reports.score_schema import Scores

TOP = Path(__file__).parents[2]
OLD = sorted(TOP.glob("tests/old_runs/digits/*/0-001/report.json"))


def everything() -> Report:
    """A report that holds every score."""
    content = comparable()
    content["scores"] = generative()["scores"] | full()["scores"] | content["scores"]
    content["scores"]["clusterings"]["own"]["test"] |= {"nmi": 0.5, "ari": 0.4}
    content["scores"]["generation"]["fid"] = 28.9
    content["scores"]["alignment"] = 0.2
    content["scores"]["likelihood"]["bits_per_dimension"] = 4.125
    return typed(content)


@pytest.mark.parametrize("score", SCORES, ids=lambda score: score.name)
def test_every_score_is_where_the_catalogue_says(score: Any) -> None:
    report = everything()
    value = score.value(report.scores, report.run)
    assert value is not None and score.format(value)
    for path in score.deviations.values():
        assert number(path, report.scores) is not None
    assert score.value(Scores()) is None


def test_a_misspelt_path_is_an_error() -> None:
    with pytest.raises(AttributeError):
        number("scores.linear_prob.accuracy", everything().scores)


def test_names_are_of_one_score() -> None:
    names = [score.name for score in SCORES]
    assert len(set(names)) == len(names)
    assert find_score("kNN").path == "scores.knn.accuracy"


def test_scores_of_the_summary_are_explained() -> None:
    names = {name for row in explanations(everything().scores) for name in row[0].split(", ")}
    assert {
        "kNN",
        "k-means",
        "own clusters",
        "-ELBO",
        "NLL",
        "macro F1",
        "balanced accuracy",
        "imbalance 10:1",
    } <= names
    unexplained = {"dim", "FID"}
    for score in scores_in(Tables.SUMMARY):
        assert score.name in unexplained or any(score.name.startswith(name) for name in names), score.name
    assert not list(explanations(Scores()))


def test_a_comparison_has_the_numbers_of_a_report() -> None:
    report = everything()
    found = score_values(report.scores, report.run)
    assert found["few-label draws"] == 0.0121 and found["k-means restarts"] == 0.0234
    assert found["CPU-s"] == 148.2 and found["budget"] == pytest.approx(148.2 / 1.02) and found["-ELBO"] == 101.31
    assert "CPU-s" not in score_values(report.scores)


def test_a_row_has_the_scores_that_apply() -> None:
    assert row_of(Scores(code_dim=30), Tables.SUMMARY) == {"dim": "30"}
    row = row_of(everything().scores, Tables.SUMMARY)
    assert row["NLL, k = 100"] == "96.69" and row["-ELBO"] == "101.3" and "kernel" not in row and "NLL" not in row
    assert row["bits per dimension"] == "4.125"
    start = start_scores(everything().scores)
    assert start.knn and start.kmeans and start.generation is None and not start.clusterings


# ---- types -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", OLD, ids=lambda path: "-".join(path.parts[-3:]))
def test_reports_of_schema_3_are_read_with_the_names_of_today(path: Path) -> None:
    old = json.loads(path.read_text(encoding="utf-8"))
    read = json.loads(to_json(read_report(path)))
    assert read["protocol"] == 3 and "draft" not in read and "floors" not in read
    assert read["baselines"].keys() == old["floors"].keys()
    assert within(read, old | {"baselines": old["floors"]})


def within(part: Any, whole: Any) -> bool:
    """Whether all that one has is in the other too; scores that have been given up are in the old one alone."""
    if isinstance(part, dict):
        return all(key in whole and within(value, whole[key]) for key, value in part.items())
    return bool(part == whole)


def test_no_key_of_a_report_is_lost() -> None:
    whole = comparable() | {"draft": 2, "pretrained_on": {"images": ["other"], "supervision": ["text"], "text": "CLIP"}}
    assert json.loads(to_json(typed(whole))) == json.loads(json.dumps(whole))


def test_a_budget_is_in_times_of_the_reference_workload_on_the_same_device() -> None:
    content = comparable()
    content["run"] |= {"stages_cpu_seconds": 300.0, "stages_gpu_seconds": 80.0}
    for device, seconds in (("cpu", 300.0), ("gpu", 80.0)):
        content["run"]["reference"] = {"device": device, "seconds": 0.5}
        assert typed(content).run.budget == seconds / 0.5
    del content["run"]["stages_gpu_seconds"]
    assert typed(content).run.budget is None
    del content["run"]["reference"]
    assert typed(content).run.budget is None


def test_keys_of_later_reports_are_ignored() -> None:
    content = comparable()
    for part in (content, content["run"], content["scores"], content["scores"]["knn"], content["provenance"]):
        part["later"] = {"x": [1]}
    assert parse_report(content) == typed(comparable())


@pytest.mark.parametrize(
    ("where", "value", "reason"),
    [
        (("run", "seed"), "one", "damaged: run.seed is 'one'"),
        (("run", "seed"), True, "damaged: run.seed is True"),
        (("scores", "few_label", "10", "mean"), "x", "damaged: scores.few_label.10.mean is 'x'"),
        (("baselines", "pca", "kmeans", "test"), [], "damaged: baselines.pca.kmeans.test is []"),
        (("scores", "rankme"), None, "damaged: scores.rankme is None"),
        (("curves",), {"train/loss": [[1]]}, "damaged: curves"),
        (("baselines", "other"), {}, "damaged: "),
    ],
)
def test_what_is_wrong_is_named(where: tuple[str, ...], value: Any, reason: str) -> None:
    content = comparable()
    part = content
    for key in where[:-1]:
        part = part[key]
    part[where[-1]] = value
    with pytest.raises(UserError) as caught:
        parse_report(content)
    assert str(caught.value).startswith(reason) and "\n" not in str(caught.value)


def test_every_part_of_a_report_has_a_type() -> None:
    """But for the configuration, whose options are the models' own."""
    kinds = [Report, *Record.__subclasses__()]
    hints = {f"{kind.__name__}.{name}": str(hint) for kind in kinds for name, hint in get_type_hints(kind).items()}
    assert [name for name, hint in hints.items() if "Any" in hint] == ["Provenance.config"]
