"""The public function `unsup.evaluate`, which judges codes without torch."""

import atexit
import tempfile
from collections.abc import Callable
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

from msgspec import to_builtins
from numpy.typing import ArrayLike

from unsup.core.errors import UsageError
from unsup.evaluation.foreign_codes import judge_codes
from unsup.reports.catalogue import Tables, row_of
from unsup.reports.format import markdown_table
from unsup.reports.report import as_record
from unsup.reports.schema import BASELINES, baseline_name
from unsup.reports.score_schema import Scores

if TYPE_CHECKING:
    from unsup.data.base import ImageData
    from unsup.models.base import Model
    from unsup.runs.run import Run

ScoreTree = dict[str, Any]  # as in report.json
FORMS = "evaluate(model, data), evaluate(run) or evaluate(codes, labels, test_codes, test_labels)"


class Result:
    """Scores of an evaluation and of its baselines, which `print` shows as a table.

    Attributes:
        scores: as in report.json; accuracies are in [0, 1], what does not apply is absent.
    """

    def __init__(self, scores: ScoreTree, baselines: Callable[[], dict[str, ScoreTree]]) -> None:
        self.scores = scores
        self._baselines = baselines

    @cached_property
    def baselines(self) -> dict[str, ScoreTree]:
        """Scores of raw pixels, PCA and the untrained network, if a model is judged.

        They are computed at the first access, which takes several times as long as the model's own scores.
        """
        return self._baselines()

    def __str__(self) -> str:
        baselines = {key: as_record(self.baselines[key], Scores) for key in BASELINES if key in self.baselines}
        rows = [("this encoder", as_record(self.scores, Scores))]
        rows += [(baseline_name(key, scores.code_dim), scores) for key, scores in baselines.items()]
        return markdown_table([{"codes": name, **row_of(scores, Tables.SUMMARY)} for name, scores in rows])

    def __repr__(self) -> str:
        return f"Result(scores={', '.join(self.scores)})"


@overload
def evaluate(model: "Model", data: "ImageData", /) -> Result: ...


@overload
def evaluate(run: "str | Path | Run", /) -> Result: ...


@overload
def evaluate(
    codes: ArrayLike,
    labels: ArrayLike | None,
    test_codes: ArrayLike,
    test_labels: ArrayLike | None,
    /,
    *,
    val_codes: ArrayLike | None = None,
    val_labels: ArrayLike | None = None,
) -> Result: ...


def evaluate(judged: Any, *others: Any, val_codes: Any = None, val_labels: Any = None) -> Result:
    """Judge an encoder by the protocol of all reports, and return its scores.

    With a model and its data set, the model is frozen and its test images are read once. Baselines are included:

    >>> import unsup
    >>> from unsup.data.digits import Digits
    >>> from unsup.models.pca import PCA
    >>> data = Digits()
    >>> data.setup()
    >>> model = PCA(data.shape, code_dim=8)
    >>> model.fit(lambda: data.batches("train"))
    >>> print(unsup.evaluate(model, data).scores["knn"])

    An encoder that was trained elsewhere sees pictures of its own size. The first time, it is downloaded:

    >>> unsup.evaluate(unsup.Encoder("torchvision:resnet18", size=96), data)  # doctest: +SKIP

    With a finished run, its report is written again:

    >>> unsup.evaluate(run)

    With codes (N, D) and labels (N,) of training and test images, neither images nor torch are needed. Without
    validation codes, some of the training codes are set aside, as data sets do it:

    >>> from sklearn.datasets import load_digits
    >>> codes, labels = load_digits(return_X_y=True)
    >>> result = unsup.evaluate(codes[:1000], labels[:1000], codes[1000:], labels[1000:])
    >>> print(result.scores["linear_probe"]["accuracy"])

    Args:
        judged: a `unsup.Model` or `unsup.Encoder`, the name of an encoder (timm:resnet18), or a module or function from
            the images of the data set, as they are and in [0, 1], to codes; or a run or its folder; or training codes
            (N, D).
        others: a `unsup.ImageData`; or nothing; or training labels (N,), test codes (M, D) and test labels (M,).
            Labels are numbers or names; None for both scores only what needs no labels.
        val_codes: (V, D) codes that choose the strength of probes.
        val_labels: (V,).

    Raises:
        UsageError: the arguments are none of these.
        UserError: codes are not finite, not a matrix or do not fit their labels, a class is missing in training, the
            run is not complete, or images are missing.
    """
    types = ", ".join(type(value).__name__ for value in (judged, *others))
    if len(others) == 3:
        return Result(judge_codes(judged, *others, val_codes, val_labels).scores, dict)
    if val_codes is not None or val_labels is not None:
        raise UsageError(f"evaluate({types}): val_codes and val_labels go with codes alone: write {FORMS}")
    if not others and (isinstance(judged, str | Path) or hasattr(judged, "folder")):
        return _of_run(judged)
    if len(others) == 1 and hasattr(others[0], "batches") and (isinstance(judged, str) or callable(judged)):
        return _of_model(_as_model(judged, others[0]), others[0])
    raise UsageError(f"evaluate({types}): write {FORMS}")


def _of_run(run_or_folder: "str | Path | Run") -> Result:
    from unsup.evaluation.run import evaluate_run
    from unsup.runs.run import Run

    run = Run.find(str(run_or_folder))
    with run.lock():
        report = evaluate_run(run, run.data())
    return Result(to_builtins(report.scores), lambda: to_builtins(report.baselines))


def _as_model(judged: Any, data: "ImageData") -> "Model":
    from unsup.models.base import Model
    from unsup.models.foreign.encoder import ModuleEncoder, foreign_encoder
    from unsup.models.foreign.loaded import Preparation
    from unsup.runs.encoder import Encoder

    if isinstance(judged, Encoder):
        return judged.model
    if isinstance(judged, Model):
        return judged
    if isinstance(judged, str):
        return foreign_encoder(judged, {})
    return ModuleEncoder.of(judged, data.shape, Preparation())


def _of_model(model: "Model", data: "ImageData") -> Result:
    from unsup.evaluation.baselines import cache_key, compute_baselines, feature_spaces
    from unsup.evaluation.copy_search import find_copies
    from unsup.evaluation.foreign_encoding import PictureSource
    from unsup.evaluation.protocol import judge_model

    data.prepare_data()
    data.setup()
    spaces = feature_spaces(data, _folder()) if hasattr(model, "sample") else []
    copies = find_copies(data, _folder(), cache_key(data))
    source = PictureSource(_folder())
    scores = judge_model(model, data, feature_spaces=spaces, copies=copies, source=source).scores

    def baselines() -> dict[str, ScoreTree]:
        results = compute_baselines(model, scores["code_dim"], data, _folder(), spaces, source)
        return {name: result.scores for name, result in results.items()}

    return Result(scores, baselines)


@cache
def _folder() -> Path:
    """Return a temporary cache of baselines for this process."""
    folder = tempfile.TemporaryDirectory(prefix="unsup-")
    atexit.register(folder.cleanup)
    return Path(folder.name)
