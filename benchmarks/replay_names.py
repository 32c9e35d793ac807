"""Replay of naming: what chosen names are worth against names of random images.

python benchmarks/replay_names.py mnist.npz cifar.npz [--repetitions 10 --images 4000 --names 90 200 500]

The files are those of `unsup encode`, of folders whose subfolders are the classes. A repetition draws images from all
of them and a random sample of 60 to be named first, and lets each rule choose the others, 20 at a time. Names are the
true classes. It prints how many of the images without a name are then in their class, as `unsup classify` would say,
and differences from random names of the same images, with 95 % intervals over the repetitions (Student's t).
"""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import unsup  # noqa: F401  (before scikit-learn: it sets how threads wait)

# isort: split
import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import KMeans
from sklearn.linear_model import LogisticRegression

from unsup.core.arrays import Floats, Ids
from unsup.inference.by_names import classify_by_names, scaled_by
from unsup.metrics.choosing import ROUND, C, directions, next_to_name, typical
from unsup.metrics.intervals import seeds_interval

FIRST = 60  # names of the random sample
PURE = 0.95  # share of images with neighbours of their own cluster only, by which ProbCover chooses its radius


class Stand(NamedTuple):
    """What a rule may look at.

    Attributes:
        x: (n, d) codes of unit length.
        codes: (n, D) as they are.
        chosen: positions that it has chosen so far.
        labels: their names.
        taken: positions of all named images.
        free: (n,) images that may be chosen.
        order: random positions, not of the first sample.
        classes: number of these.
        seed: of the repetition.
    """

    x: Floats
    codes: Floats
    chosen: Ids
    labels: Ids
    taken: Ids
    free: NDArray[np.bool_]
    order: Ids
    classes: int
    seed: int


Rule = Callable[[Stand, int], list[int]]


def at_random(stand: Stand, count: int) -> list[int]:
    return [int(i) for i in stand.order[len(stand.chosen) : len(stand.chosen) + count]]


def unsup_rule(stand: Stand, count: int) -> list[int]:
    choices = next_to_name(stand.codes, stand.chosen, stand.labels, stand.taken, count, stand.seed)
    return [choice.image for choice in choices]


def typiclust(stand: Stand, count: int) -> list[int]:
    """Choose typical images only (Hacohen et al. 2022)."""
    return typical(stand.x, stand.chosen, stand.free, count, stand.seed)


def k_centre(stand: Stand, count: int) -> list[int]:
    """Choose the image farthest from all chosen ones, again and again (Sener & Savarese 2018)."""
    nearest = (stand.x @ stand.x[stand.chosen].T).max(axis=1) if len(stand.chosen) else stand.x @ stand.x.mean(axis=0)
    images, free = list[int](), stand.free.copy()
    for _ in range(count):
        image = int(np.where(free, nearest, np.inf).argmin())
        images.append(image)
        free[image] = False
        nearest = np.maximum(nearest, stand.x @ stand.x[image])
    return images


def prob_cover(stand: Stand, count: int) -> list[int]:
    """Choose the image with the most images around it that no chosen one is near (Yehuda et al. 2022)."""
    near = stand.x @ stand.x.T >= closeness(stand.x, stand.classes)
    covered = near[stand.chosen].any(axis=0)
    images, free = list[int](), stand.free.copy()
    for _ in range(count):
        image = int(np.where(free, (near & ~covered).sum(axis=1), -1).argmax())
        images.append(image)
        free[image] = False
        covered |= near[image]
    return images


def closeness(x: Floats, classes: int) -> float:
    """Return the least cosine at which 95 % of the images have neighbours of their own k-means cluster only."""
    clusters = KMeans(classes, n_init=3, random_state=0).fit_predict(x)
    cosines = x @ x.T
    nearest_stranger = np.where(clusters[:, None] == clusters, -1, cosines).max(axis=1)
    return float(np.quantile(nearest_stranger, PURE))


def margin(stand: Stand, count: int) -> list[int]:
    """Choose images between two names, after a first round of random ones (Scheffer et al. 2001)."""
    if len(np.unique(stand.labels)) < 2:
        return at_random(stand, count)
    regression = LogisticRegression(C=C, max_iter=1_000).fit(stand.x[stand.chosen], stand.labels)
    probabilities = np.sort(regression.predict_proba(stand.x), axis=1)
    difference = np.where(stand.free, probabilities[:, -1] - probabilities[:, -2], np.inf)
    return [int(i) for i in np.argsort(difference, kind="stable")[:count]]


RULES: dict[str, Rule] = {
    "random": at_random,
    "unsup": unsup_rule,
    "TypiClust": typiclust,
    "ProbCover": prob_cover,
    "k-centre": k_centre,
    "margin": margin,
}


def replay(codes: Floats, labels: Ids, names: list[int], seed: int, rules: list[str]) -> dict[str, list[float]]:
    """Return the share right after each number of names, by each of these rules."""
    rng = np.random.default_rng(seed)
    first = rng.permutation(len(codes))[:FIRST]
    order = rng.permutation(np.setdiff1d(np.arange(len(codes)), first))
    x = directions(codes, seed)
    shares: dict[str, list[float]] = {}
    for name in rules:
        chosen, shares[name] = np.empty(0, np.int64), []
        for total in names:
            while (missing := total - FIRST - len(chosen)) > 0:
                taken = np.concatenate([first, chosen])
                free = np.ones(len(codes), bool)
                free[taken] = False
                stand = Stand(x, codes, chosen, labels[chosen], taken, free, order, int(labels.max()) + 1, seed)
                chosen = np.concatenate([chosen, RULES[name](stand, min(ROUND, missing))])
            shares[name].append(share_right(codes, labels, np.concatenate([first, chosen])))
    return shares


def share_right(codes: Floats, labels: Ids, named: Ids) -> float:
    """Return the share of the other images that get their class from the named ones, of which the first are random."""
    x = scaled_by(codes, codes)
    is_random = np.arange(len(named)) < FIRST
    classes = classify_by_names(x, named, labels[named].astype(str), is_random).classes
    others = np.setdiff1d(np.arange(len(codes)), named)
    return float((classes[others] == labels[others].astype(str)).mean())


def report(path: Path, seeds: range, images: int, names: list[int], rules: list[str]) -> None:
    """Print the table of a file of codes, with a repetition for each seed."""
    with np.load(path) as arrays:
        codes = arrays["codes"].astype(np.float32)
        labels = np.unique([str(Path(file).parent) for file in arrays["files"]], return_inverse=True)[1]
    shares: dict[str, list[list[float]]] = {name: [] for name in rules}
    for seed in seeds:
        at = np.random.default_rng(1_000 + seed).permutation(len(codes))[:images]
        for name, row in replay(codes[at], labels[at], names, seed, rules).items():
            shares[name].append(row)
    print(f"{path.name}: {min(images, len(codes)):,} images, {codes.shape[1]}-d codes, {len(seeds)} repetitions")
    print("names      " + "".join(f"{total:>32}" for total in names))
    for name, rows in shares.items():
        table = np.array(rows)
        differences = [seeds_interval(column) for column in (table - np.array(shares["random"])).T]
        cells = [
            f"{mean:.3f}" + ("" if name == "random" else " {mean:+.3f} [{low:+.3f}, {high:+.3f}]".format(**difference))
            for mean, difference in zip(table.mean(axis=0), differences, strict=True)
        ]
        print(f"{name:<11}" + "".join(f"{cell:>32}" for cell in cells), flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", type=Path, nargs="+")
    parser.add_argument("--repetitions", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0, help="of the first repetition")
    parser.add_argument("--rules", nargs="+", choices=RULES, default=[*RULES], help="random is always among them")
    parser.add_argument("--images", type=int, default=4_000)
    parser.add_argument("--names", type=int, nargs="+", default=[90, 200, 500])
    given = parser.parse_args()
    for file in given.files:
        rules = list(dict.fromkeys(["random", *given.rules]))
        report(file, range(given.seed, given.seed + given.repetitions), given.images, given.names, rules)
