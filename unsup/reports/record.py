"""The base of all types of a report."""

from msgspec import Struct


class Record(Struct, kw_only=True, omit_defaults=True):
    """Named values of a report."""
