"""The rows that results/ is to hold, and those that it lacks."""

from collections.abc import Sequence
from pathlib import Path

import msgspec
import yaml

from unsup.core.errors import UserError
from unsup.core.words import counted
from unsup.reports.schema import Report

Plan = dict[str, dict[int, list[str]]]  # {data set: {number of seeds, from 1: [recipes]}}


def read_plan(path: Path) -> Plan:
    """Return the plan, empty without a file.

    Raises:
        UserError: it is damaged.
    """
    if not path.exists():
        return {}
    try:
        return msgspec.convert(yaml.safe_load(path.read_text(encoding="utf-8")), Plan)
    except (ValueError, msgspec.ValidationError, yaml.YAMLError) as e:
        raise UserError(f"{path} is no plan of rows ({e}): it has lines like 'digits: {{3: [ae, vae]}}'") from e


def missing_rows(plan: Plan, reports: Sequence[Report]) -> dict[str, dict[str, list[int]]]:
    """Return the seeds of the plan that were not recorded.

    The result is {data set: {recipe: seeds}}.
    """
    recorded = {(report.run.data, report.run.model, report.run.seed) for report in reports}
    missing: dict[str, dict[str, list[int]]] = {}
    for data, rows in plan.items():
        for seeds, recipes in rows.items():
            for recipe in recipes:
                if lacking := [seed for seed in range(1, seeds + 1) if (data, recipe, seed) not in recorded]:
                    missing.setdefault(data, {})[recipe] = lacking
    return missing


def missing_text(plan: Plan, reports: Sequence[Report]) -> str:
    """Return what the tables lack as a section, empty if they lack nothing."""
    missing = missing_rows(plan, reports)
    if not missing:
        return ""
    count = sum(len(seeds) for recipes in missing.values() for seeds in recipes.values())
    lines = [f"## Rows to come\n\n{counted(count, 'run')} of the plan, `plan.yaml`, with their seeds:\n"]
    for data, recipes in missing.items():
        rows = ", ".join(f"`{recipe}` {' '.join(map(str, recipes[recipe]))}" for recipe in sorted(recipes))
        lines.append(f"* {data}: {rows}")
    return "\n".join(lines) + "\n"
