"""Encoders as transformers of scikit-learn, and their copies."""

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import foreign
import joblib
import numpy as np
import pytest
import torch
import used
from PIL import Image
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.utils.estimator_checks import check_estimator
from torch import nn

import unsup
from unsup.core.errors import UsageError, UserError
from unsup.models.foreign.encoder import ForeignEncoder
from unsup.models.pixels import Pixels
from unsup.runs.encoder import Encoder

IMAGES, LABELS = used.digits()

OTHER_SIZES = "images have one size and values in [0, 1], and these have neither"
EXPECTED = {
    "check_no_attributes_set_in_init": "a module of torch has attributes of its own",
    "check_n_features_in": "the size of images is known before `fit`",
    "check_do_not_raise_errors_in_init_or_set_params": "what is no encoder is refused at once",
    "check_set_params": "what is no encoder is refused at once",
    **dict.fromkeys(
        (
            "check_fit_score_takes_y",
            "check_estimators_overwrite_params",
            "check_dont_overwrite_parameters",
            "check_estimators_fit_returns_self",
            "check_readonly_memmap_input",
            "check_n_features_in_after_fitting",
            "check_positive_only_tag_during_fit",
            "check_estimators_dtypes",
            "check_pipeline_consistency",
            "check_estimators_nan_inf",
            "check_estimators_pickle",
            "check_f_contiguous_array_estimator",
            "check_transformer_data_not_an_array",
            "check_transformer_general",
            "check_transformer_preserve_dtypes",
            "check_transformers_unfitted_stateless",
            "check_methods_sample_order_invariance",
            "check_methods_subset_invariance",
            "check_fit2d_1sample",
            "check_fit2d_1feature",
            "check_dict_unchanged",
            "check_fit_idempotent",
            "check_fit_check_is_fitted",
            "check_fit_non_negative",
            "check_fit2d_predict1d",
        ),
        OTHER_SIZES,
    ),
}


def colours(n: int, side: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (n, 3, side, side), np.uint8)


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Encoder:
    return unsup.load_encoder(used.finished(tmp_path_factory.mktemp("runs")))


def test_a_pipeline_classifies_images_as_its_steps_do(encoder: Encoder) -> None:
    codes = encoder(IMAGES).numpy()
    expected = LogisticRegression(max_iter=1000).fit(codes, LABELS).predict_proba(codes)
    for X in (IMAGES, IMAGES.reshape(len(IMAGES), -1), torch.from_numpy(IMAGES)):
        pipeline = make_pipeline(encoder, LogisticRegression(max_iter=1000)).fit(X, LABELS)
        assert np.array_equal(pipeline.predict_proba(X), expected)
    assert pipeline.n_features_in_ == 64


def test_images_that_cannot_be_written_to_are_read(encoder: Encoder, recwarn: pytest.WarningsRecorder) -> None:
    images = IMAGES.copy()
    images.flags.writeable = False
    assert np.array_equal(encoder.transform(images), encoder(IMAGES)) and not recwarn.list


@pytest.mark.slow
def test_a_search_over_encoders_and_options_runs_in_two_processes(encoder: Encoder) -> None:
    grid = {"encoder": [encoder, Encoder(Pixels((1, 8, 8)))], "probe__C": [0.01, 1.0]}
    pipeline = Pipeline([("encoder", encoder), ("probe", LogisticRegression(max_iter=1000))])
    search = GridSearchCV(pipeline, grid, n_jobs=2, cv=2, error_score="raise").fit(IMAGES, LABELS)
    assert search.best_score_ > 0.8 and len(search.cv_results_["params"]) == 4


def test_codes_are_named_in_data_frames(encoder: Encoder) -> None:
    frame = clone(encoder).set_output(transform="pandas").fit_transform(IMAGES)
    assert list(frame.columns) == list(encoder.get_feature_names_out()) == [f"encoder{i}" for i in range(16)]
    assert np.array_equal(frame, encoder(IMAGES))
    assert isinstance(encoder.transform(IMAGES), np.ndarray)


def test_clones_share_the_weights_and_parameters_are_exchanged(encoder: Encoder) -> None:
    other = clone(encoder)
    assert other is not encoder and other.model is encoder.model
    assert other.get_params() == {"model": encoder.model, "shape": None}
    pixels = Pixels((1, 8, 8))
    assert other.set_params(model=pixels) is other
    assert other.transform(IMAGES).shape == (500, 64) and encoder.transform(IMAGES).shape == (500, 16)
    other.set_params(shape=(1, 8, 8))
    assert other.get_params() == {"model": pixels, "shape": (1, 8, 8)}
    with pytest.raises(ValueError, match="no parameter 'size': it has model and shape"):
        other.set_params(size=3)
    with pytest.raises(UsageError, match=r"shape is \(1, 9, 9\): Pixels was built for images \(1, 8, 8\)"):
        other.set_params(shape=(1, 9, 9))
    with pytest.raises(UsageError, match="size is no option of an encoder that is already built"):
        Encoder(pixels, size=3)
    assert other.shape == (1, 8, 8)


def test_wrong_input_is_named(encoder: Encoder) -> None:
    with pytest.raises(UserError, match=r"images of shape \(500, 63\): this encoder takes \(N, 1, 8, 8\)"):
        encoder.fit(IMAGES.reshape(500, -1)[:, :63])
    with pytest.raises(UserError, match="must be in \\[0, 1\\]"):
        encoder.fit(IMAGES * 1.0)
    with pytest.raises(ValueError, match="NaN"):
        encoder.transform(np.full((1, 64), np.nan))


def test_images_of_another_size_are_scaled_as_files_are() -> None:
    images = colours(3, 24)
    network = nn.Sequential(nn.Flatten())
    encoder = Encoder(network, shape=(3, 24, 24), size=32, mean=[0.5] * 3)
    pictures = torch.stack([encoder.picture(Image.fromarray(image.transpose(1, 2, 0))) for image in images])
    expected = Encoder(network, size=32, mean=[0.5] * 3)(pictures)
    assert expected.shape == (3, 3 * 32 * 32)
    for X in (images, images.reshape(3, -1), (images / np.float32(255)).astype(np.float32)):
        assert torch.equal(encoder(X), expected)


@pytest.mark.parametrize("copy", [lambda x: pickle.loads(pickle.dumps(x)), "joblib"], ids=["pickle", "joblib"])
def test_copies_of_encoders_from_elsewhere(
    copy: Callable[[Any], Any] | str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("own_nets.py").write_text(foreign.CODE, encoding="utf-8")
    if isinstance(copy, str):
        copy = lambda x: joblib.load(joblib.dump(x, "encoder.joblib")[0])  # noqa: E731
    module = ForeignEncoder("own_nets.py:Network", size=32).network
    sizes = ({0: torch.export.Dim("n")},)
    torch.export.save(torch.export.export(module, (torch.zeros(2, 3, 32, 32),), dynamic_shapes=sizes), "net.pt2")
    images = colours(2, 32)
    for name in ("own_nets.py:Network", "own_nets:Network", "net.pt2"):
        original = Encoder(name, shape=(3, 32, 32)) if name.endswith("pt2") else Encoder(name, size=32)
        same = copy(original)
        assert torch.equal(same(images), original(images)) and same.model.preparation == original.model.preparation
    of_module = Encoder(nn.Flatten(), size=8)
    assert copy(of_module)(images[:, :, :8, :8]).shape == (2, 192)
    saved = pickle.dumps(Encoder("own_nets:Network", size=32))
    assert len(saved) < 10_000  # no weights
    Path("own_nets.py").write_text(foreign.CODE.replace("manual_seed(3)", "manual_seed(4)"), encoding="utf-8")
    changed = pickle.dumps(Encoder("own_nets.py:Network", size=32))
    Path("own_nets.py").write_text(foreign.CODE, encoding="utf-8")
    with pytest.raises(UserError, match="are not those that were judged"):
        pickle.loads(changed)


def test_the_checks_of_scikit_learn() -> None:
    encoder = Encoder(Pixels((1, 1, 10)), shape=(1, 1, 10))
    results = check_estimator(encoder, on_fail=None, on_skip=None, expected_failed_checks=EXPECTED)
    failed = {result["check_name"]: result["exception"] for result in results if result["status"] == "failed"}
    assert not failed
    assert {result["check_name"] for result in results if result["status"] == "xfail"} == EXPECTED.keys()
    assert sum(result["status"] == "passed" for result in results) >= 14
