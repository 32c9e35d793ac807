"""One table of comparable reports, and everything that is said under it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from unsup.comparison.groups import Group, Version
from unsup.comparison.pairs import IN_FILE, Statement, statements
from unsup.comparison.table import DEFAULT, Entry, entries, shown_columns
from unsup.comparison.variance import Deviations, label_free_choice, variance_by_source
from unsup.reports.catalogue import Score

ONE_SEED = "Where a side has 1 seed the interval holds for that seed alone."
PAIRED = (
    "In points of accuracy on the same test images; brackets: 95 % interval over test images (paired bootstrap) and "
    f"training seeds (Student's t). {ONE_SEED} McNemar: pairs of seeds in which its exact test finds p < .05 in the "
    "same direction. The spread over an untrained twin's initialisations counts, in older reports not; draws of few "
    "labels stay the same."
)
VARIANCE = (
    "Standard deviations in points of accuracy: over training seeds; over test images, draws of the probe's training "
    "images, draws of the few labels and restarts of k-means within one run. Blank: not measured."
)


@dataclass(frozen=True)
class Comparable:
    """Reports of one schema, protocol and version of the data."""

    version: Version
    entries: list[Entry]  # sorted
    columns: list[Score]  # that any row has
    sort: str
    probe: str  # what the statements are about: the column sorted by, if it is a probe
    statements: list[Statement]
    variance: dict[str, Deviations]
    choice: dict[str, Any]

    @property
    def groups(self) -> list[Group]:
        return [one.group for one in self.entries if one.group]

    @property
    def title(self) -> str:
        version = self.version
        return f"data {version.data_sha256[:12]}, protocol {version.protocol}, report schema {version.schema}"


def comparable(version: Version, groups: Sequence[Group], sort: str | None) -> Comparable:
    """Everything that can be said of comparable groups.

    Args:
        sort: a column's name, see `entries`.
    """
    found, column = entries(groups, sort)
    ordered = [one.group for one in found if one.group]
    probe = column if column in IN_FILE else DEFAULT
    return Comparable(
        version=version,
        entries=found,
        columns=shown_columns(found),
        sort=column,
        probe=probe,
        statements=list(statements(ordered, probe)),
        variance=variance_by_source(ordered),
        choice=label_free_choice(ordered),
    )


def differences(versions: Sequence[Version]) -> str:
    """Why there are several tables; empty for one."""
    if len(versions) < 2:
        return ""
    kinds = {"report schema": "schema", "protocol": "protocol", "version of the data": "data_sha256"}
    apart = [kind for kind, field in kinds.items() if len({getattr(version, field) for version in versions}) > 1]
    return (
        f"{len(versions)} tables: the reports differ in {' and '.join(apart)}, so numbers of two tables do not compare."
    )
