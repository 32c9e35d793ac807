"""Images to name next: typical of groups at first, between names later, never the random sample's doing."""

import numpy as np
import pytest

from unsup.metrics.choosing import ROUND, Choice, directions, names_are_new, next_to_name, typical

GROUPS, IMAGES = 12, 60
NOBODY = np.empty(0, np.int64)


@pytest.fixture(scope="module")
def groups() -> tuple[np.ndarray, np.ndarray]:
    """Codes in tight groups of unequal size, and the group of each."""
    rng = np.random.default_rng(0)
    centres = 5 * np.eye(GROUPS, 16)
    of = np.repeat(np.arange(GROUPS), [IMAGES + 10 * i for i in range(GROUPS)])
    return (centres[of] + 0.3 * rng.normal(size=(len(of), 16))).astype(np.float32), of


def images(choices: list[Choice]) -> np.ndarray:
    return np.array([choice.image for choice in choices], np.int64)


def test_each_group_is_asked_about_once(groups: tuple[np.ndarray, np.ndarray]) -> None:
    codes, of = groups
    choices = next_to_name(codes, NOBODY, NOBODY, NOBODY, GROUPS)
    assert sorted(of[images(choices)]) == list(range(GROUPS))
    assert all(choice.between is None for choice in choices)


def test_groups_that_have_names_come_last(groups: tuple[np.ndarray, np.ndarray]) -> None:
    codes, of = groups
    named = np.array([np.flatnonzero(of == group)[0] for group in range(8)])
    x, free = directions(codes, 0), np.ones(len(codes), bool)
    free[named] = False
    assert set(of[typical(x, named, free, 4, 0)]) == {8, 9, 10, 11}


def test_the_typical_image_is_in_the_middle(groups: tuple[np.ndarray, np.ndarray]) -> None:
    codes, of = groups
    for image in images(next_to_name(codes, NOBODY, NOBODY, NOBODY, GROUPS)):
        distances = np.linalg.norm(codes[of == of[image]] - codes[of == of[image]].mean(axis=0), axis=1)
        assert np.linalg.norm(codes[image] - codes[of == of[image]].mean(axis=0)) < np.median(distances)


def test_later_images_lie_between_two_names() -> None:
    rng = np.random.default_rng(1)
    angles = rng.uniform(0, np.pi, 600)  # two names that meet at a right angle
    codes = np.stack([np.cos(angles), np.sin(angles), 0.05 * rng.normal(size=600)], axis=1).astype(np.float32)
    codes -= [0, 2 / np.pi, 0]
    chosen = np.concatenate([np.flatnonzero(angles < 0.8)[: ROUND // 2], np.flatnonzero(angles > 2.3)[: ROUND // 2]])
    choices = next_to_name(codes, chosen, (angles[chosen] > 1.5).astype(np.int64), NOBODY, 10)
    assert np.abs(angles[images(choices)] - np.pi / 2).max() < np.abs(angles - np.pi / 2).max() / 2
    assert all(set(choice.between or ()) == {0, 1} for choice in choices)
    assert not set(images(choices)) & set(chosen)


def test_names_are_new_while_many_have_one_image() -> None:
    assert names_are_new(np.arange(5) % 2)  # too few to tell
    assert not names_are_new(np.arange(ROUND) % 4)
    assert names_are_new(np.arange(ROUND))
    assert not names_are_new(np.array([*range(2), *[2] * 18]))
    assert names_are_new(np.array([*range(3), *[3] * 17]))


def test_the_random_sample_is_left_out_and_has_no_other_part(groups: tuple[np.ndarray, np.ndarray]) -> None:
    codes, _ = groups
    free_choice = images(next_to_name(codes, NOBODY, NOBODY, NOBODY, 20))
    far = np.setdiff1d(np.arange(len(codes)), free_choice)[:60]
    assert (images(next_to_name(codes, NOBODY, NOBODY, far, 20)) == free_choice).all()
    assert not set(images(next_to_name(codes, NOBODY, NOBODY, free_choice, 20))) & set(free_choice)


@pytest.mark.parametrize("codes", [np.zeros((30, 4)), np.eye(30), np.full((30, 4), 1e-20)])
def test_odd_codes_are_asked_about_without_repetition(codes: np.ndarray) -> None:
    codes = codes.astype(np.float32)
    assert len(set(images(next_to_name(codes, NOBODY, NOBODY, np.arange(25), 20)))) == 5  # all that are left
    assert next_to_name(codes, NOBODY, NOBODY, np.arange(30), 20) == []


def test_equal_codes_with_two_names_still_give_as_many() -> None:
    codes = np.zeros((100, 4), np.float32)
    choices = next_to_name(codes, np.arange(ROUND), np.arange(ROUND) % 2, NOBODY, 20)
    assert len(set(images(choices))) == 20
