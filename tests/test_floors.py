"""Kept floors are those of the code that computes scores, and of the architecture: nothing else makes them anew."""

import pytest
import torch
from tiny import SHAPE, TinyDigits
from torch import Tensor

from unsup.floors import protocol_hash, without_prose
from unsup.models.ae import AE
from unsup.models.patches import Patches
from unsup.models.pca import PCA
from unsup.models.pixels import Pixels
from unsup.twins import INITIALISATIONS, signature, twins_of

SOURCE = '"""What it is."""\n\ndef f(x):\n    """What it does."""\n    return x + 1  # why\n'


@pytest.mark.parametrize("prose", ["def f(x): return x + 1", '"""Other words."""\n\n\ndef f(x):\n    return (x + 1)\n'])
def test_words_about_the_code_do_not_count(prose: str) -> None:
    assert without_prose(prose) == without_prose(SOURCE)


@pytest.mark.parametrize("code", ["def f(x): return x + 2", "def f(x): return 'x' + 1", "def f(y): return y + 1"])
def test_every_change_of_the_code_counts(code: str) -> None:
    assert without_prose(code) != without_prose(SOURCE)


def test_the_hash_repeats_itself() -> None:
    assert protocol_hash() == protocol_hash()


class Scaled(AE):
    """The same weights, another function."""

    def encode(self, x: Tensor) -> Tensor:
        return 2 * super().encode(x)


def test_a_twin_is_told_by_what_it_computes_before_training() -> None:
    data = TinyDigits()
    one, trained, faster = AE(SHAPE, code_dim=4), AE(SHAPE, code_dim=4), AE(SHAPE, code_dim=4, lr=0.5)
    with torch.no_grad():
        for parameter in trained.parameters():
            parameter.add_(1)
    threads = torch.get_num_threads()
    expected = signature(one, data)
    torch.set_num_threads(1 if threads > 1 else 2)
    try:
        assert signature(trained, data) == signature(faster, data) == expected
    finally:
        torch.set_num_threads(threads)
    assert signature(AE(SHAPE, code_dim=5), data) != expected != signature(Scaled(SHAPE, code_dim=4), data)


def test_a_twin_is_there_for_what_starts_at_random() -> None:
    assert twins_of(AE(SHAPE, code_dim=4)) == INITIALISATIONS
    assert twins_of(Patches(SHAPE, centroids=4)) == 1
    assert twins_of(PCA(SHAPE, code_dim=4)) == twins_of(Pixels(SHAPE)) == 0
