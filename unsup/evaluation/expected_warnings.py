"""Library warnings about few or equal images, which reports describe."""

import warnings

MESSAGES = (
    "Number of distinct clusters",  # k-means, `ClusterCount.used`
    "The number of unique classes is greater than 50%",  # that labels may be numbers to predict
    "The symmetric non-negative hollow observation matrix",  # codes that are all the same, as many as dimensions
    "The least populated class in y has only",  # of folds, where such a class stays on one side
)


def ignore_expected_warnings() -> None:
    """Ignore these warnings from now on, in all threads."""
    for message in MESSAGES:
        warnings.filterwarnings("ignore", message)
