"""Reports of schema 3 and older, read as those of today.

They are of protocol 3 or older: they can be compared among themselves, and are never written again.
"""

from typing import Any

LAST = 3


def is_old(content: dict[str, Any]) -> bool:
    """Return whether the content of a report.json is of schema 3 or older."""
    schema = content.get("schema")
    return isinstance(schema, int) and schema <= LAST


def converted(content: dict[str, Any]) -> dict[str, Any]:
    """Return the content of an old report under the names of today.

    The baselines were called floors. What was not recorded stays absent.
    """
    return {{"floors": "baselines"}.get(key, key): value for key, value in content.items()}
