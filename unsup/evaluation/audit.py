"""The audit of a data set before any training."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from unsup.core.arrays import Array, Floats, Ids
from unsup.core.errors import UserError
from unsup.core.splits import SPLITS
from unsup.core.words import counted
from unsup.data.base import ImageData
from unsup.data.file_facts import COLUMNS, LENGTHS, file_facts
from unsup.data.folder import Folder
from unsup.evaluation.copy_search import labelled_images
from unsup.evaluation.expected_warnings import ignore_expected_warnings
from unsup.evaluation.progress import say
from unsup.metrics.alignment import resized
from unsup.metrics.chains import chains
from unsup.metrics.cross_fitting import doubtful, forest_accuracy, linear_probabilities
from unsup.metrics.near_duplicates import NearDuplicates, find_near_duplicates
from unsup.metrics.subsets import stratified

SPLIT_WORDS = ("training", "validation", "test")  # in the order of `SPLITS`
PROBED = 5_000  # images that the probe of labels is fitted on, at most
SEEN = 2_000  # images that shortcuts are looked for in, at most
ROWS = 1_000  # images at a time
FLAT, BLACK, NARROW = 2.0, 4.0, 32.0  # of 255: deviation, mean and range of an odd image
FEW = 10  # images of a class
EDGE = 0.05  # width of the border in units of the side
SMALL_SIDE = 16  # of the thumbnails that labels are predicted from
# The share of the way from chance to 1 above which classes are told apart without looking at the content
LIMITS = {"file metadata": 0.25, "size of the file": 0.8, "mean colour": 0.8, "border pixels": 0.25}
DEVIATIONS = 4  # of guesses, since folds are not independent
FRAMED = 8  # pixels of the shorter side from which on images have a border and an inside
BEYOND_CONTENT = 0.15  # by which the border tells more than what is further inside


@dataclass(frozen=True)
class Audit:
    """The findings about a data set.

    Attributes:
        names: of the images, training before validation before test images; of files below their folder.
        images: (n, C, H, W).
        split: of each image, as a position in `SPLITS`.
        labels: of each image, None if unlabelled.
        class_names: in label order.
        left_out: files that are not read, by kind.
        odd: positions of odd images, by kind.
        pairs: near-duplicates.
        groups: chains of near-duplicates, (n,).
        shortcuts: balanced accuracy of a probe that sees no content, by what it sees.
        further_inside: accuracy from the pixels inside the border, which are content.
        doubtful: positions of images whose label is in doubt, the surest first.
        confidence: probability of another class for each of them.
        suggested: that class.
        doubtful_by_chance: how many of them are expected if all labels are right.
    """

    names: list[str]
    images: Array
    split: Ids
    labels: Ids | None
    class_names: tuple[str, ...]
    left_out: Mapping[str, list[str]]
    odd: dict[str, Ids]
    pairs: NearDuplicates
    groups: Ids
    shortcuts: dict[str, float] = field(default_factory=dict)
    further_inside: float = 0.0
    doubtful: Ids = field(default_factory=lambda: np.empty(0, np.int64))
    confidence: Floats = field(default_factory=lambda: np.empty(0, np.float32))
    suggested: Ids = field(default_factory=lambda: np.empty(0, np.int64))
    doubtful_by_chance: float = 0.0

    @property
    def leaks(self) -> Ids:
        """The pairs whose images are in different splits."""
        return np.flatnonzero(self.split[self.pairs.first] != self.split[self.pairs.second])

    @property
    def contradictions(self) -> Ids:
        """The pairs whose images have different labels."""
        if self.labels is None:
            return np.empty(0, np.int64)
        return np.flatnonzero(self.labels[self.pairs.first] != self.labels[self.pairs.second])

    @property
    def classes(self) -> int:
        return 0 if self.labels is None else len(np.unique(self.labels))

    def lines(self, test_copies: bool = True) -> list[str]:
        """Return what should be looked at, a line for each finding.

        Reports leave copies of test images to a section of their own.
        """
        lines = [f"{counted(len(files), 'file')} left out: {kind}" for kind, files in self.left_out.items()]
        lines += [
            f"{counted(len(rows), 'image is', 'images are')} {kind}" for kind, rows in self.odd.items() if len(rows)
        ]
        if few := int((self._class_sizes() < FEW).sum()):
            lines.append(
                f"{counted(few, 'class has', 'classes have')} fewer than {FEW} images, too few to be judged by"
            )
        if count := len(self.pairs.first):
            largest = int(np.bincount(self.groups).max())
            lines.append(
                f"{counted(count, 'pair')} of near-duplicates (expected by chance {self.pairs.expected:.1f}); "
                f"the largest group has {largest:,} images"
            )
        for a, b in (*(((0, 2), (1, 2)) if test_copies else ()), (0, 1)):
            if images := self._copies_of(b, a):
                copies = counted(images, f"{SPLIT_WORDS[b]} image has", f"{SPLIT_WORDS[b]} images have")
                lines.append(f"{copies} a near-duplicate among the {SPLIT_WORDS[a]} images")
        if count := len(self.contradictions):
            lines.append(
                counted(count, "pair of near-duplicates has", "pairs of near-duplicates have") + " different labels"
            )
        if len(self.doubtful) > self.doubtful_by_chance + 3 * max(1.0, self.doubtful_by_chance) ** 0.5:
            lines.append(
                f"{counted(len(self.doubtful), 'label is', 'labels are')} doubtful: a probe is sure of another class "
                f"(expected by chance {self.doubtful_by_chance:.1f})"
            )
        for what, accuracy in self.shortcuts.items():
            chance = 1 / self.classes
            is_content = what == "border pixels" and accuracy < self.further_inside + BEYOND_CONTENT
            if accuracy > chance + max(LIMITS[what] * (1 - chance), self._luck()) and not is_content:
                lines.append(f"your classes are told apart at {accuracy:.2f} by {what} alone (chance {chance:.2f})")
        return lines

    def _class_sizes(self) -> Ids:
        return np.unique([] if self.labels is None else self.labels, return_counts=True)[1]

    def _luck(self) -> float:
        """Return by how much a balanced accuracy may exceed chance without a reason."""
        sizes = self._class_sizes()
        seen = sizes * min(1.0, SEEN / len(self.images))
        chance = 1 / len(sizes)
        return float(DEVIATIONS * np.sqrt(np.sum(chance * (1 - chance) / seen)) / len(sizes))

    def _copies_of(self, b: int, a: int) -> int:
        """Return how many images of one split have a near-duplicate in another."""
        pairs = np.stack([self.pairs.first, self.pairs.second])
        across = pairs[:, (np.sort(self.split[pairs], axis=0) == [[min(a, b)], [max(a, b)]]).all(axis=0)]
        return len(np.unique(across[self.split[across] == b]))


def audit(data: ImageData, left_out: Mapping[str, list[str]]) -> Audit:
    """Look for faults of a data set whose images are loaded.

    Args:
        data: the data set.
        left_out: files that are not read, by kind.

    Raises:
        UserError: there are no images.
    """
    ignore_expected_warnings()
    everything = labelled_images(data, *SPLITS)
    images, labels = everything
    if not len(images):
        raise UserError("there are no images to look at")
    sizes = [data.size(name) for name in SPLITS]
    split = np.repeat(np.arange(3), sizes)
    files = [data.paths(name) for name in SPLITS]
    paths = [path for part in files if part for path in part]
    numbered = [f"{word} image {i}" for word, n in zip(SPLIT_WORDS, sizes, strict=True) for i in range(n)]
    names = [str(path.relative_to(data.images)) for path in paths] if isinstance(data, Folder) else numbered
    say(f"looking for near-duplicates among {len(images):,} images")
    pairs = find_near_duplicates(everything)
    groups = chains(len(images), pairs.first, pairs.second)
    facts: dict[str, object] = {"left_out": left_out, "odd": odd_images(images), "pairs": pairs, "groups": groups}
    if labels is not None and len(np.unique(labels)) > 1:
        say("shortcuts and doubtful labels")
        some = stratified(labels, SEEN)
        seen = _seen_of_files([paths[i] for i in some]) if paths else {}
        seen["mean colour"] = mean_colours(images[some])
        if min(images.shape[2:]) >= FRAMED:
            seen["border pixels"] = borders(images[some])
            facts["further_inside"] = forest_accuracy(borders(without_border(images[some])), labels[some], groups[some])
        facts["shortcuts"] = {what: forest_accuracy(x, labels[some], groups[some]) for what, x in seen.items()}
        facts |= doubtful_labels(images, labels, groups)
    return Audit(names, images, split, labels, data.class_names, **facts)  # type: ignore[arg-type]


def _seen_of_files(paths: Sequence[Path]) -> dict[str, Floats]:
    """Return what is known of files besides their pixels.

    Their length is apart from the rest, since it depends on the content.
    """
    facts = file_facts(paths)
    lengths = [COLUMNS.index(name) for name in LENGTHS]
    return {"file metadata": np.delete(facts, lengths, axis=1), "size of the file": facts[:, lengths]}


def doubtful_labels(images: Array, labels: Ids, groups: Ids) -> dict[str, object]:
    """Return the fields of `Audit` about labels that a probe contradicts.

    The probe sees the pixels of thumbnails.
    """
    features = np.concatenate([small(images[at : at + ROWS]) for at in range(0, len(images), ROWS)])
    classes, numbers = np.unique(labels, return_inverse=True)
    probabilities = linear_probabilities(features, numbers, groups, PROBED)
    found, expected = doubtful(probabilities, numbers)
    return {
        "doubtful": found,
        "confidence": probabilities[found].max(axis=1),
        "suggested": classes[probabilities[found].argmax(axis=1)],
        "doubtful_by_chance": expected,
    }


def small(images: Array) -> Floats:
    """Return the pixels of thumbnails, (n, D)."""
    return resized(images.astype(np.float32), SMALL_SIDE).reshape(len(images), -1)


def odd_images(images: Array) -> dict[str, Ids]:
    """Return positions of images with hardly any content, each in one kind."""
    kinds: dict[str, list[int]] = {"of one colour": [], "nearly black": [], "in a small part of the range": []}
    for i, image in enumerate(images):
        low, high = np.percentile(image, (1, 99))
        if (image.reshape(len(image), -1).std(axis=1) < FLAT).all():
            kinds["of one colour"].append(i)
        elif image.mean() < BLACK:
            kinds["nearly black"].append(i)
        elif high - low < NARROW:
            kinds["in a small part of the range"].append(i)
    return {kind: np.array(rows, np.int64) for kind, rows in kinds.items()}


def mean_colours(images: Array) -> Floats:
    """Return the mean of each channel, (n, C)."""
    return np.asarray(images.mean(axis=(2, 3)), np.float32)


def without_border(images: Array) -> Array:
    """Return the images without margins twice as wide as the border."""
    rows, columns = (2 * max(1, round(EDGE * side)) for side in images.shape[2:])
    return images[:, :, rows:-rows, columns:-columns]


def borders(images: Array) -> Floats:
    """Return mean and deviation of each channel in the four margins, (n, 8 * C)."""
    width = max(1, round(EDGE * min(images.shape[2:])))
    sides = (images[:, :, :width], images[:, :, -width:], images[..., :width], images[..., -width:])
    parts = [measure(axis=(2, 3)) for side in sides for measure in (side.mean, side.std)]
    return np.asarray(np.concatenate(parts, axis=1), np.float32)
