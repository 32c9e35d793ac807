"""What copies of test images among the training images are worth."""

from pathlib import Path

import numpy as np
import pytest
from copies import copies, scenes
from sample_reports import report, typed

from unsup.data.base import Arrays, ImageData
from unsup.evaluation.copy_search import find_copies
from unsup.evaluation.protocol import judge_model
from unsup.models.pixels import Pixels
from unsup.reports.blocks import Note, Table
from unsup.reports.report import as_record
from unsup.reports.score_schema import Scores
from unsup.reports.sections_copies import copies_of_test_images, copies_warning
from unsup.reports.sections_images import findings_line
from unsup.reports.sections_origin import checks

CLASSES = 4


class Copied(ImageData):
    """Clouds with random labels, in which some test images are changed training images."""

    shape = (3, 32, 32)
    class_names = ("a", "b", "c", "d")

    def __init__(self, copied: int = 60, tested: int = 150) -> None:
        super().__init__()
        self.copied, self.tested = copied, tested

    def load(self, train: bool) -> Arrays:
        images, labels = scenes(400), np.random.default_rng(0).integers(0, CLASSES, 400)
        if train:
            return images, labels
        own = scenes(self.tested, seed=1)
        own[: self.copied] = copies(images[: self.copied], "brighter")
        others = np.random.default_rng(1).integers(0, CLASSES, self.tested)
        return own, np.where(np.arange(self.tested) < self.copied, labels[: self.tested], others)


def judged(data: ImageData, folder: Path) -> Scores:
    data.setup()
    found = find_copies(data, folder, data.fingerprint())
    evaluation = judge_model(Pixels(data.shape), data, extent="baseline", robustness=False, copies=found)
    assert evaluation.test_reads == 1
    return as_record(evaluation.scores, Scores)


@pytest.mark.slow
def test_copies_are_worth_what_they_add(tmp_path: Path) -> None:
    scores = judged(Copied(), tmp_path)
    found, probe = scores.copies, scores.linear_probe
    assert found and found.linear_probe and found.linear_probe.difference and probe
    assert found.linear_probe.accuracy is not None and found.linear_probe.accuracy_without is not None
    assert (found.pairs, found.test, found.removed, found.without) == (60, 60, 60, 90)
    assert 0 < found.expected <= 0.5
    assert found.linear_probe.difference.high < 0 and found.linear_probe.difference.separable
    assert found.linear_probe.difference.difference == pytest.approx(found.linear_probe.accuracy - probe.accuracy)
    assert abs(found.linear_probe.accuracy - 1 / CLASSES) < 0.12
    assert abs(found.linear_probe.accuracy_without - 1 / CLASSES) < 0.15
    assert found.knn and found.knn.accuracy is not None
    assert len(list(tmp_path.glob("copies-*.npz"))) == 1


@pytest.mark.slow
def test_a_data_set_without_copies(tmp_path: Path) -> None:
    scores = judged(Copied(copied=0), tmp_path)
    assert scores.copies and (scores.copies.pairs, scores.copies.test, scores.copies.linear_probe) == (0, 0, None)


@pytest.mark.slow
def test_too_few_images_without_a_copy_are_no_score(tmp_path: Path) -> None:
    found = judged(Copied(copied=60, tested=100), tmp_path).copies
    assert found and found.linear_probe and found.linear_probe.accuracy is not None
    assert found.without == 40 and found.linear_probe.accuracy_without is None


def section(copies: dict | None) -> tuple[str, list[Table]]:
    content = report()
    content["scores"] |= {"copies": copies} if copies else {}
    blocks = copies_of_test_images(typed(content))
    return " ".join(b.text for b in blocks if isinstance(b, Note)), [b for b in blocks if isinstance(b, Table)]


def test_the_report_says_what_copies_are_worth() -> None:
    assert section(None) == ("", [])
    nothing = {"pairs": 0, "expected": 0.5, "test": 0}
    assert section(nothing) == ("No test image has a near-duplicate among the training and validation images.", [])
    difference = {"difference": -0.02, "low": -0.03, "high": -0.01, "separable": True}
    without = {"accuracy": 0.9312, "difference": difference, "accuracy_without": 0.94}
    found = {"pairs": 150, "expected": 0.5, "test": 142, "removed": 148, "without": 9858, "linear_probe": without}
    text, (table,) = section(found)
    assert "**142 of 10,000 test images have a near-duplicate" in text and "expected by chance: 0.5" in text
    assert "The encoder itself learned from these copies" in text and "148 training and validation images" in text
    assert table.rows == [
        {
            "classifier": "linear probe",
            "as it is": ".951",
            "fitted without the copies": ".931",
            "difference": "-.020 [-.030, -.010]",
            "on the 9,858 test images without a copy": ".940",
        }
    ]
    text, tables = section({"pairs": 150, "expected": 0.5, "test": 9990, "removed": 148, "without": 10})
    assert not tables and "too few training images" in text and "Only 10 test images have no copy" in text


def test_an_encoder_from_elsewhere_learned_from_other_images() -> None:
    content = report()
    content["scores"]["copies"] = {"pairs": 3, "expected": 0.5, "test": 2}
    content["pretrained_on"] = {"images": ["other"], "supervision": ["labels"], "text": "ImageNet"}
    (note,) = copies_of_test_images(typed(content))
    assert isinstance(note, Note) and "2 of 10,000 test images" in note.text and "learned" not in note.text


def test_copies_without_labels_move_no_accuracy() -> None:
    content = report()
    content["scores"] = {"code_dim": 2, "dead_units": 0, "copies": {"pairs": 142, "expected": 0.5, "test": 142}}
    assert copies_warning(typed(content)) == "142 of 10,000 test images have a copy to learn from"


@pytest.mark.parametrize(("test", "warned"), [(142, True), (49, False)])
def test_many_copies_stand_at_the_top_of_the_report(test: int, warned: bool) -> None:
    content = report()
    content["scores"]["copies"] = {"pairs": test, "expected": 0.5, "test": test}
    text = f"{test} of 10,000 test images have a copy to learn from"
    assert findings_line(typed(content)) == text
    warning = f"**{text}: these accuracies are too high by what that is worth.**"
    assert (warning in checks(typed(content))) == warned
