"""Cards of sound and of broken runs with known true accuracies.

`python tests/comparison/simulated_cards.py` prints the figures of docs/protocol/statistics.md.
"""

import numpy as np
from scipy.special import expit, logit

from unsup.comparison.recorded.cards import tolerance
from unsup.reports.catalogue import OnCard, find_score

IMAGES = 10_000
METRICS = 4  # on a card


def metric_named(name: str) -> OnCard:
    metric = find_score(name).card
    assert metric
    return metric


def share_that_hold(metric: OnCard, seeds: int, p: float, shift: float = 0.0, times: int = 1500) -> tuple[float, float]:
    """Return the share of cards of four such metrics that a new run holds, and the typical tolerance.

    One metric's true accuracy is p - shift, the others are p. Models deviate as the recorded ones: by σ on the logit
    scale with σ² = d₀ s₀² / χ²(d₀).
    """
    rng, held, allowed = np.random.default_rng(0), [], []
    for _ in range(times):
        sigma = metric.deviation * np.sqrt(metric.prior / rng.chisquare(metric.prior, METRICS))
        old = expit(logit(p) + sigma[:, None] * rng.normal(size=(METRICS, seeds)))
        new = expit(logit(p - shift * np.eye(METRICS)[0]) + sigma * rng.normal(size=METRICS))
        tolerances = [tolerance(list(values), metric, IMAGES, METRICS) for values in old]
        held.append((np.abs(old.mean(axis=1) - new) <= tolerances).all())
        allowed += tolerances
    return float(np.mean(held)), float(np.median(allowed))


def share_of_one(
    metric: OnCard, seeds: int, p: float, deviation: float, shift: float = 0.0, times: int = 4000
) -> tuple[float, float]:
    """Return the share of runs that one metric of a card holds, and the typical tolerance.

    The model deviates by this much over seeds, in accuracy.
    """
    rng = np.random.default_rng(0)
    old, new = p + deviation * rng.normal(size=(times, seeds)), p - shift + deviation * rng.normal(size=times)
    tolerances = [tolerance(list(values), metric, IMAGES, METRICS) for values in old.clip(max=1)]
    return float(np.mean(np.abs(old.mean(axis=1) - new) <= tolerances)), float(np.median(tolerances))


def main() -> None:
    """Print the figures of docs/protocol/statistics.md."""
    probe, kmeans = metric_named("linear probe"), metric_named("k-means ACC")
    print("| accuracy | seeds | sound runs hold | broken runs hold | tolerance |")
    for p, shift in ((0.6, 0.25), (0.95, 0.1), (0.99, 0.02)):
        for seeds in (1, 3, 5):
            (sound, allowed), (broken, _) = share_that_hold(probe, seeds, p), share_that_hold(probe, seeds, p, shift)
            print(f"| {p:.2f} | {seeds} | {sound:.3f} | {broken:.3f} | {allowed:.4f} |", flush=True)
    for seeds in (1, 3, 5):
        print("probe .990 ± .0006", seeds, *(share_of_one(probe, seeds, 0.99, 0.0006, s) for s in (0, 0.005, 0.01)))
        print("k-means .60 ± .04", seeds, *(share_of_one(kmeans, seeds, 0.6, 0.04, s) for s in (0, 0.2, 0.3)))


if __name__ == "__main__":
    main()
