"""Floors: what raw pixels, PCA at the same dimension and the same network untrained score under the same protocol.

Computed once per data set and kept in runs/<data>/floors/. A file's name says what it holds and a key says of what:
the protocol's code, the data's fingerprint, and for PCA the dimension, for the untrained twin some of its very
outputs. There lie also the spaces that generated images are compared in, and how far real images are from real ones.
"""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import sklearn
from numpy.typing import NDArray

from unsup.core.array_files import Arrays, cached
from unsup.data.base import ImageData
from unsup.evaluation import feature_space, inception
from unsup.evaluation.feature_space import FeatureSpace
from unsup.evaluation.progress import about, say
from unsup.evaluation.protocol import VERSION, evaluate
from unsup.evaluation.untrained import num_initialisations, signature, untrained
from unsup.metrics import mixtures
from unsup.metrics.intervals import bootstrap_interval
from unsup.models.base import Model
from unsup.models.pca import PCA
from unsup.models.pixels import Pixels
from unsup.reports.schema import ReferenceKey

Correct = dict[str, NDArray[np.float32]]  # per test image, as in `Evaluation.correct`


class BaselineResult:
    """Scores of one floor, as in report.json, and its per-image correctness for paired comparisons."""

    def __init__(self, scores: dict[str, Any], correct: Correct) -> None:
        self.scores = scores
        self.correct = correct

    def arrays(self) -> Arrays:
        return {"scores": np.array(json.dumps(self.scores)), **self.correct}

    @classmethod
    def of(cls, arrays: Arrays) -> "BaselineResult":
        correct = {name: values for name, values in arrays.items() if name != "scores"}
        return cls(json.loads(str(arrays["scores"])), correct)


def compute_baselines(
    model: Model, code_dim: int, data: ImageData, folder: Path, spaces: Sequence[FeatureSpace]
) -> dict[ReferenceKey, BaselineResult]:
    """{"pixels", "pca", "untrained", "real"} for this model, as far as they apply.

    "untrained" only for a model that starts at random; "real" holds nothing but the scores of generation that training
    images get: no generator can honestly have a smaller distance.

    Args:
        model: the model being judged; not touched.
        code_dim: PCA is fitted at this dimension, or at the most that the data allow.
        data: PCA is fitted on its training split, which is in memory; on no images without labels.
        folder: where floors are kept, made when missing.
        spaces: where generated images were compared with real ones; none for a model that does not generate.
    """
    common = f"{protocol_key()}-{data.fingerprint()}"
    rulers = "".join(space.digest() for space in spaces)
    dimension = min(code_dim, data.size("train"), int(np.prod(data.shape)))

    def pixels() -> BaselineResult:
        return judge_baseline(Pixels(data.shape).to(model.device), data)

    def pca() -> BaselineResult:
        pca = PCA(data.shape, dimension)
        pca.fit(lambda: data.batches("train"))
        return judge_baseline(pca.to(model.device), data)

    def real() -> BaselineResult:
        scores = {key: value for space in spaces for key, value in space.scores(space.train).items()}
        return BaselineResult({"generation": scores}, {})

    def floor(name: str, key: str, compute: Callable[[], BaselineResult]) -> BaselineResult:
        def announced() -> BaselineResult:
            say(f"floor {name} (computed once per data set)")
            with about(f"floor {name}"):
                return compute()

        return cached(folder, name, key, announced, BaselineResult.of)

    found: dict[ReferenceKey, BaselineResult] = {
        "pixels": floor("pixels", common, pixels),
        "pca": floor(f"pca-{dimension}", f"{common}-{dimension}", pca),
    }
    if initialisations := num_initialisations(model):

        def untrained_mean() -> BaselineResult:
            return mean_baseline([untrained(model, seed) for seed in range(initialisations)], data, spaces)

        found["untrained"] = floor("untrained", f"{common}-{signature(model, data)}{rulers}", untrained_mean)
    if spaces:
        found["real"] = floor("real", f"{common}-{rulers}", real)
    return found


def feature_spaces(data: ImageData, folder: Path) -> list[FeatureSpace]:
    """Where generated images of this data set are compared with real ones; none where the images are too few.

    Args:
        data: see `unsup.evaluation.feature_space`.
        folder: where they are kept, made when missing.
    """
    if len(feature_space.compared(data)[0]) <= feature_space.FEATURES:  # a covariance needs more images than features
        say(f"generated images are not judged: fewer than {feature_space.FEATURES + 1} images to compare them with")
        return []
    common = f"{protocol_key()}-{data.fingerprint()}"

    def space(name: str, kind: type[FeatureSpace], compute: Callable[[ImageData], FeatureSpace]) -> FeatureSpace:
        return cached(folder, name, common, lambda: compute(data), lambda arrays: kind.of(arrays, data))

    found = [space("space", FeatureSpace, feature_space.feature_space)]
    if data.shape[0] == 3:
        if lacking := inception.missing():
            say(f"no FID: {lacking}")
        else:
            found.append(space("inception", inception.InceptionSpace, inception.inception_space))
    return found


def protocol_key() -> str:
    """Text that decides whether cached baselines are valid.

    It holds the version of the protocol, scikit-learn's version and the clusterings that can run here. Whoever changes
    a score raises the protocol's version (`tests/evaluation/test_scoring.py`).
    """
    return f"{VERSION}-{sklearn.__version__}-{sorted(mixtures.methods())}"


def judge_baseline(
    model: Model,
    data: ImageData,
    layers: bool = False,
    corrupted: bool = True,
    spaces: Sequence[FeatureSpace] = (),
) -> BaselineResult:
    evaluation = evaluate(model, data, layers, count=False, corrupted=corrupted, feature_spaces=spaces)
    return BaselineResult(evaluation.scores, evaluation.correct)


def mean_baseline(models: list[Model], data: ImageData, spaces: Sequence[FeatureSpace]) -> BaselineResult:
    """The mean over initialisations of every score and of each test image's correctness.

    Layers and corrupted images are of the first initialisation alone: they take the most time.
    `by_initialisation`: {name in `correct`: the accuracy of each}; what the probes' spread is told by.
    """
    each = []
    for i, model in enumerate(models, 1):
        with about(f"{i} of {len(models)}"):
            each.append(judge_baseline(model, data, layers=i == 1, corrupted=i == 1, spaces=spaces))
    correct = {name: np.mean([f.correct[name] for f in each], axis=0) for name in each[0].correct}
    of_first = {key: each[0].scores.pop(key) for key in ("layers", "robustness") if key in each[0].scores}
    scores = mean([f.scores for f in each])
    if len(each) > 1:
        scores["initialisations"] = len(each)
    scores["by_initialisation"] = {
        name: [float(np.mean(f.correct[name], dtype=np.float64)) for f in each] for name in correct
    }
    scores |= of_first
    if "robustness" in scores:
        scores["robustness"]["initialisations"] = 1
    if "linear_probe" in scores:
        scores["linear_probe"]["low"], scores["linear_probe"]["high"] = bootstrap_interval(correct["linear_probe"])
        scores["linear_probe"]["C"] = each[0].scores["linear_probe"]["C"]
        scores["ridge_probe"]["alpha"] = each[0].scores["ridge_probe"]["alpha"]
    return BaselineResult(scores, correct)


def mean(values: list[Any]) -> Any:
    """Element-wise over structures of one form, of what all of them have; other than numbers the first one's."""
    first = values[0]
    if isinstance(first, dict):
        return {key: mean([v[key] for v in values]) for key in first if all(key in v for v in values)}
    if isinstance(first, list):
        return [mean(list(items)) for items in zip(*values, strict=True)]
    if isinstance(first, str) or all(value == first for value in values):
        return first
    return float(np.mean(values))
