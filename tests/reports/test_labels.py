"""Names on a map overlap no other name and stay on the map."""

import numpy as np

from unsup.reports.figures.labels import label_places

LOW, HIGH = np.zeros(2), np.array([100.0, 50.0])


def test_a_lonely_name_is_in_the_middle() -> None:
    (place,) = label_places([np.array([[10.0, 10.0], [20.0, 20.0], [60.0, 40.0]])], np.array([[8.0, 4.0]]), LOW, HIGH)
    assert place is not None and place.tolist() == [20, 20]


def test_names_of_groups_that_lie_on_each_other_are_moved_apart() -> None:
    points = np.random.default_rng(0).uniform(LOW, HIGH, (5, 60, 2))
    sizes = np.array([[20.0, 6.0]] * 5)
    places = label_places([*points], sizes, LOW, HIGH)
    for i, place in enumerate(places):
        assert place is not None
        assert (place >= [10, 3]).all() and (place <= [90, 47]).all()
        for other in places[:i]:
            assert other is not None and (np.abs(place - other) >= [20, 6]).any()


def test_the_larger_group_has_the_middle() -> None:
    small, large = np.array([[50.0, 25.0]] * 3), np.array([[50.0, 25.0]] * 9)
    places = label_places([small, large], np.array([[20.0, 6.0]] * 2), LOW, HIGH)
    assert places[0] is None and places[1] is not None and places[1].tolist() == [50, 25]


def test_a_name_as_wide_as_the_map_is_centred() -> None:
    (place,) = label_places([np.array([[3.0, 1.0]])], np.array([[150.0, 4.0]]), LOW, HIGH)
    assert place is not None and place.tolist() == [50, 2]
