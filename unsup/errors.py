"""Mistakes a person can mend: shown as one line that names the thing and the remedy, without a traceback."""


class UserError(Exception):
    """Something in the data, a run folder or the machine is wrong (exit code 1)."""

    exit_code = 1


class UsageError(UserError):
    """The command line or a configuration file is wrong (exit code 2)."""

    exit_code = 2
