"""Paired differences of an evaluation from its baselines."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from unsup.evaluation.baselines import BaselineResult
from unsup.evaluation.protocol import Evaluation
from unsup.metrics.differences import Sample, differences
from unsup.metrics.variance import initialisation_variance
from unsup.reports.report import as_record
from unsup.reports.schema import BaselineKey, Comparison, ReferenceKey


def compare_with_baselines(
    evaluation: Evaluation, baselines: Mapping[ReferenceKey, BaselineResult]
) -> dict[BaselineKey, Comparison]:
    """Return paired differences from the baselines on the same test images.

    The intervals of one probe hold for all baselines together.
    """
    by_baseline: dict[BaselineKey, dict[str, Any]] = {
        name: {} for name, baseline in baselines.items() if name != "real" and name != "thumbnails" and baseline.correct
    }
    for probe in ("linear_probe", "few_label_10"):
        names = [name for name in by_baseline if probe in baselines[name].correct]
        if probe not in evaluation.correct or not names:
            continue
        samples = [Sample.of(evaluation.correct[probe], draws=_draws(evaluation.scores, probe))]
        for name in names:
            baseline = baselines[name]
            sample = Sample.of(baseline.correct[probe], draws=_draws(baseline.scores, probe))
            if accuracies := baseline.scores.get("by_initialisation", {}).get(probe):
                own = samples[0].share
                variance, df = initialisation_variance(accuracies, float(own.mean()), len(own), seeds=1)
                sample = replace(sample, variance=variance, df=df)
            samples.append(sample)
        results = differences(samples, [(0, i) for i in range(1, len(samples))])
        for name, result in zip(names, results, strict=True):
            by_baseline[name][probe] = result
    return {name: as_record(found, Comparison) for name, found in by_baseline.items()}


def _draws(scores: Mapping[str, Any], probe: str) -> Sequence[float]:
    """Return the accuracy with each draw of few labels, empty for the linear probe."""
    return scores["few_label"]["10"]["by_draw"] if probe == "few_label_10" else ()
