"""Sections that only newer reports have are left out where nothing was measured."""

from typing import Any

import pytest
import torch
from reports.test_report import column, section
from sample_reports import on_contents, report, typed, unlabelled

from unsup.evaluation import robustness
from unsup.metrics import mixtures
from unsup.reports import markdown
from unsup.reports.sections import sections
from unsup.reports.sections_origin import checks_in_full
from unsup.reports.sections_probes import SMALL, STRENGTHS

to_markdown = on_contents(markdown.to_markdown)

NEW = ("Robustness", "Draws and class imbalance", "Clusterings", "Number of clusters")
CORRUPTIONS = ("gaussian noise", "blur", "missing pixels")


def judged(base: float, labelled: bool = True, dim: int = 30) -> dict[str, Any]:
    """Newer scores of one row; all of them follow from `base`."""

    def clustering(acc: float) -> dict[str, Any]:
        three = {"acc": acc, "nmi": acc - 0.1, "ari": acc - 0.2}
        found = {"k": 12, "fitted_on": 10_000, "dim": 30}
        return found | ({"train": three, "test": three} if labelled else {})

    found: dict[str, Any] = {
        "clusterings": {"gaussian mixture": clustering(base - 0.2), "agglomerative": clustering(base - 0.3)},
        "clusters": {"k": 12, "by": "classes" if labelled else "silhouette", "silhouette": 9, "bic": 34},
        "uniformity": -3.5 + base,
    }
    if labelled:
        found |= {
            "probe_draws": {"mean": base - 0.01, "std": 0.002, "draws": 20, "images": 5000},
            "imbalance": {
                ratio: {"mean": base - int(ratio) / 1000, "std": 0.01, "draws": 5, "images": 4321}
                for ratio in ("1", "10", "100")
            },
            "robustness": {"images": 2000, "clean": base}
            | {kind: [base - 0.1 * i, base - 0.2 * i, base - 0.3 * i] for i, kind in enumerate(CORRUPTIONS, 1)},
        }
    return found


def full(labelled: bool = True) -> dict[str, Any]:
    """A report with everything that one can hold."""
    whole = report() if labelled else unlabelled()
    for scores, base in zip((whole["scores"], *whole["baselines"].values()), (0.95, 0.92, 0.91, 0.9), strict=True):
        scores |= judged(base, labelled, scores["code_dim"])
    whole["scores"]["alignment"] = 0.213
    whole["run"] |= {"augmentation": True, "views": "digits"}
    whole["curves"] = {
        "train/loss": [[step, 100 / (1 + step)] for step in range(0, 200, 10)],
        "val/loss": [[step, 110 / (1 + step)] for step in range(0, 200, 50)],
        "train/lr": [[0, 0.001], [100, 0.002]],
    }
    return whole


def test_robustness_shows_severities_and_the_means_of_the_baselines() -> None:
    table = section(to_markdown(full()), "Robustness")
    assert column(table, "test images") == ["clean", *CORRUPTIONS, "**all corruptions**"]
    assert column(table, "severity 1") == ["", ".850", ".750", ".650", ""]
    assert column(table, "severity 3") == ["", ".650", ".350", ".050", ""]
    assert column(table, "mean") == [".950", ".750", ".550", ".350", "**.550**"]
    assert column(table, "untrained network") == [".900", ".700", ".500", ".300", ".500"]
    assert "on 2,000 test images" in table


def test_corrupted_images_of_one_untrained_network_are_noted() -> None:
    content = full()
    assert "first initialisation" not in to_markdown(content)  # older reports: a mean of three
    content["baselines"]["untrained"]["robustness"]["initialisations"] = 1
    table = section(to_markdown(content), "Robustness")
    assert "; for the untrained network that of its first initialisation." in table
    assert column(table, "test images") == ["clean", *CORRUPTIONS, "**all corruptions**"]


def test_a_corruption_that_a_baseline_lacks_is_left_blank() -> None:
    content = full()
    del content["baselines"]["pca"]["robustness"]["blur"]
    del content["baselines"]["pixels"]["robustness"]
    table = section(to_markdown(content), "Robustness")
    assert column(table, "PCA-30") == [".910", ".710", "", ".310", ""]  # no mean of other corruptions than the model's
    assert "raw pixels" not in table


def test_draws_and_imbalance_are_shown_with_all_training_images() -> None:
    table = section(to_markdown(full()), "Draws and class imbalance")
    assert column(table, "all training images")[0] == ".951"
    assert column(table, "draws of 5,000")[:2] == [".940 ± .002", ".890 ± .002"]
    assert column(table, "balanced")[0] == ".949 ± .010" and "1:1" not in table.replace("balanced, 10:1", "")
    assert "balanced, 10:1 and 100:1: " in table and "in a training set of 4,321 images" in table
    assert column(table, "10:1")[0] == ".940 ± .010" and column(table, "100:1")[0] == ".850 ± .010"


def test_classes_without_test_images_are_named() -> None:
    content = report()
    content["run"]["class_names"] = ["ant", "bee", "cat", "dog"]
    for scores in (content["scores"], *content["baselines"].values()):
        scores["linear_probe"] |= {"per_class": [0.9, 0.8], "untested": [0, 3]}
    text = to_markdown(content)
    assert "**No test image of ant and dog: no score says how well they are recognised.**" in section(text, "Summary")
    assert column(section(text, "Classes"), "class") == ["bee", "cat"]
    assert column(section(text, "Classes"), "deep_ae") == [".900", ".800"]
    content["scores"]["linear_probe"] |= {"per_class": [0.9, 0.8], "untested": [*range(2, 9)]}
    assert "**No test image of cat, dog, 4, 5, 6 and 2 more classes:" in to_markdown(content)
    assert "No test image" not in to_markdown(report())


def test_clusterings_say_whether_they_saw_the_test_images() -> None:
    table = section(to_markdown(full()), "Clusterings")
    assert column(table, "clustering")[:4] == ["k-means", "gaussian mixture", "agglomerative", "k-means"]
    assert "applied to test images (inductive)" in table and "scored on all of them (transductive)" in table
    assert column(table, "test")[:3] == [".666 / .595 / .534", ".750 / .650 / .550", ".650 / .550 / .450"]
    assert column(table, "all images at once")[:3] == [".647 / .580 / .523", "", ""]
    assert column(table, "fitted on")[1] == "10,000" and column(table, "k")[0] == "12"


def test_untrained_networks_whose_clusterings_see_other_components_have_a_mean() -> None:
    content = full(labelled=False)
    content["baselines"]["untrained"]["clusterings"]["gaussian mixture"] |= {"k": 8 / 3, "dim": 26 / 3}
    untrained = typed(content).baselines["untrained"]
    assert untrained.clusterings["gaussian mixture"].dim == 26 / 3
    labelled = full()
    labelled["baselines"]["untrained"]["clusterings"]["gaussian mixture"] |= {"dim": 26 / 3}
    assert "8.7" in section(to_markdown(labelled), "Clusterings")


def test_a_models_own_clusters_are_shown_with_those_of_its_codes() -> None:
    whole = full()
    three = {"acc": 0.881, "nmi": 0.8, "ari": 0.7}
    own = {"k": 10, "used": 9, "fitted_on": 55_000, "train": three, "test": three, "transductive": three | {"acc": 0.9}}
    whole["scores"]["clusterings"] = {"own": own} | whole["scores"]["clusterings"]
    text = to_markdown(whole)
    table = section(text, "Clusterings")
    assert column(table, "clustering")[:3] == ["k-means", "own clusters", "gaussian mixture"]
    assert column(table, "k")[1] == "10 (9 used)" and column(table, "all images at once")[1] == ".900 / .800 / .700"
    assert column(section(text, "Summary"), "own clusters ACC")[0] == ".881"
    how = section(text, "How the numbers were made")
    labels = dict(zip(column(how, "number"), column(how, "labels"), strict=True))
    assert labels["own clusters"] == "none beyond that number; they only score the result"
    assert "own clusters" not in to_markdown(full())


def test_clusters_of_unlabelled_images_have_no_scores() -> None:
    text = to_markdown(full(labelled=False))
    assert "## Clusterings" not in text and "gaussian mixture" not in text  # nothing to score them by
    numbers = section(text, "Number of clusters")
    assert column(numbers, "by silhouette")[0] == "9" and column(numbers, "by BIC")[0] == "34"
    assert column(numbers, "chosen by")[0] == "silhouette, without labels"


def test_baselines_without_an_estimate_are_not_in_the_table_of_cluster_numbers() -> None:
    content = full()
    for key in ("pca", "pixels"):
        content["baselines"][key]["clusters"] = {"k": 10, "by": "classes"}
    numbers = section(to_markdown(content), "Number of clusters")
    assert column(numbers, "codes") == ["deep_ae", "untrained network"]


def test_every_number_says_what_part_labels_had() -> None:
    how = section(to_markdown(full()), "How the numbers were made")
    labels = dict(zip(column(how, "number"), column(how, "labels"), strict=True))
    assert all(labels.values())
    for number in ("robustness", "imbalance 100:1", "balanced accuracy", "draws of the linear probe"):
        assert labels[number] == "train, validation"
    assert labels["number of clusters"] == labels["uniformity"] == labels["alignment"] == "none"
    assert (
        labels["gaussian mixture"]
        == labels["k-means"]
        == "the number of classes; else none, they only score the result"
    )
    assert "imbalance 1:1" not in labels and labels["balanced"] == "train, validation"
    inductive = dict(zip(column(how, "number"), column(how, "how"), strict=True))
    assert all("(inductive)" in inductive[name] for name in ("k-means", "gaussian mixture", "agglomerative"))
    free = section(to_markdown(full(labelled=False)), "How the numbers were made")
    assert set(column(free, "labels")) == {"none", "as above"}


def test_codes_of_hardly_any_dimension_are_no_place_to_count_clusters() -> None:
    content = full()
    assert "Caution" not in section(to_markdown(content), "Number of clusters")
    content["scores"]["rankme"] = 2.94
    assert "**Caution: effective rank below 3 (deep_ae 2.94).**" in section(to_markdown(content), "Number of clusters")


@pytest.mark.parametrize(("after", "words"), [(0.031, "no measurable change of"), (0.012, "a change of")])
def test_a_change_of_calibration_within_chance_is_none(after: float, words: str) -> None:
    content = full()
    content["scores"]["linear_probe"]["calibration_error"] = 0.04
    content["scores"]["new_images"] = {
        "false_alarm_rate": 0.01,
        "flagged": 0.01,
        "temperature": 1.1,
        "calibration_error": after,
        "calibrated": 0.01,
    }
    text = to_markdown(content)
    assert f"makes {words} the calibration error on test images: .040 before, .0{round(1000 * after)} after." in text


def test_what_sees_components_of_wide_codes_is_a_sentence() -> None:
    content = full()
    content["scores"]["reduced"] = {"dim": 256, "for": ["clusterings", "diagnostics"]}
    expected = "Clusterings and diagnostics see the first 256 principal components of the training codes."
    assert expected in to_markdown(content)


def test_without_alignment_the_section_is_called_uniformity() -> None:
    content = full()
    del content["scores"]["alignment"]
    text = to_markdown(content)
    assert "## Uniformity" in text and "lignment" not in text


def test_the_limits_of_cluster_counts_are_those_of_the_code() -> None:
    text = section(to_markdown(full()), "Number of clusters")
    assert f"up to {mixtures.MOST} ({mixtures.MOST} means" in text
    assert f"{mixtures.COUNTED_DIMENSIONS} principal components of at most {mixtures.COUNTED_IMAGES:,} training" in text


def test_the_strengths_are_those_of_the_corruptions() -> None:
    assert set(STRENGTHS) == set(robustness.CORRUPTIONS)

    def numbers(values: tuple[float, ...]) -> str:
        return ", ".join(f"{value:g}" for value in values)

    def percent(values: tuple[float, ...]) -> str:
        return f"{numbers(tuple(100 * value for value in values))} %"

    assert f"deviation {numbers(robustness.NOISE)} of" in STRENGTHS["gaussian noise"]
    for kind, shares in (
        ("blur", robustness.BLUR),
        ("occlusion", robustness.OCCLUSION),
        ("contrast", robustness.CONTRAST),
        ("shift", robustness.SHIFT),
        ("missing pixels", robustness.MISSING),
    ):
        assert f" {percent(shares)} " in f" {STRENGTHS[kind]}"
    x, index = torch.rand(4, 1, 8, 8, generator=torch.Generator().manual_seed(0)), torch.arange(4)
    for corrupt in (robustness.blur, robustness.shift):  # what SMALL says
        mild, medium, hard = (corrupt(x, severity, index) for severity in range(3))
        assert torch.equal(mild, medium) and not torch.equal(medium, hard)
    assert SMALL in to_markdown(full()) and STRENGTHS["blur"] in to_markdown(full())


@pytest.mark.parametrize("content", [report(), unlabelled()])
def test_reports_without_the_newer_numbers_do_not_mention_them(content: dict[str, Any]) -> None:
    titles = [found.title for found in sections(typed(content))]
    assert not set(titles) & {*NEW, "Alignment and uniformity", "Uniformity"}
    assert all(found.blocks for found in sections(typed(content)))


@pytest.mark.parametrize("key", sorted(judged(0.9) | {"alignment": 0}))
def test_each_newer_number_may_come_alone_or_be_missing(key: str) -> None:
    alone, without = report(), full()
    alone["scores"][key] = full()["scores"][key]
    for scores in (without["scores"], *without["baselines"].values()):
        scores.pop(key, None)
    for content in (alone, without):
        text = to_markdown(content)
        assert "| --- |" in text and "None" not in text and "nan" not in text


def test_the_certificate_shows_whole_hashes() -> None:
    content = full()
    (items,) = checks_in_full(typed(content))
    assert "ab" * 32 in str(items) and "unchanged" in str(items)
    (items,) = checks_in_full(typed(content | {"frozen": {"before": "a", "after": "b"}}))
    assert "**changed**" in str(items)


def test_images_of_the_last_stage_are_told_from_the_cost_of_all_stages() -> None:
    one, several = full(), full()
    one["run"] |= {"train_seconds": 60.0, "stages_seconds": 60.0, "stages_cpu_seconds": 60.0, "images_seen": 1_000}
    several["run"] |= {"train_seconds": 60.0, "stages_seconds": 90.0, "stages_cpu_seconds": 90.0, "images_seen": 1_000}
    assert "60 CPU-seconds, 1,000 images seen," in to_markdown(one).replace(" GPU", "")
    text = to_markdown(several)
    assert "90 CPU-seconds of all stages" in text and "1,000 images seen in the last stage alone" in text


def test_origin_says_what_went_into_the_model_besides_images() -> None:
    text = section(to_markdown(full()), "Where it comes from")
    assert "random views of the images in training, preset `digits`" in text
    assert "chosen with the labels of validation images" in text
    text = section(to_markdown(report()), "Where it comes from")
    assert "augmentation: none" in text


def test_an_audit_claims_nothing_of_labels_that_are_not_there() -> None:
    labelled, without = report() | {"findings": []}, unlabelled() | {"findings": []}
    assert "no near-duplicates, no doubtful labels and no shortcuts." in to_markdown(labelled)
    assert "no odd files, no near-duplicates." in to_markdown(without)
