"""The program: exit codes, and errors in one line."""

import io
import os
import sys

from unsup.cli import commands
from unsup.cli.output import log_in_terminal
from unsup.cli.parser import parse
from unsup.cli.reproduce import reproduce
from unsup.core.errors import UserError, one_line, printable


def main(argv: list[str] | None = None) -> int:
    """Run one command; returns the exit code: 0 done, 1 failure, 2 usage, 130 Ctrl-C.

    A mistake that a person can mend is one line on stderr; UNSUP_DEBUG=1 shows the traceback.
    """
    argv = sys.argv[1:] if argv is None else argv
    for stream in (sys.stdout, sys.stderr):  # names of files need not be text, and terminals not Unicode's
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        args = parse(argv)
        command = reproduce if args.verb == "reproduce" else getattr(commands, args.verb)
        with log_in_terminal():
            command(args)
    except UserError as e:
        if os.environ.get("UNSUP_DEBUG"):
            raise
        print(f"unsup: {one_line(e)}", file=sys.stderr)
        return e.exit_code
    except OSError as e:  # a full disk, a folder that vanished or may not be written
        if os.environ.get("UNSUP_DEBUG"):
            raise
        print(f"unsup: {printable(str(e.filename or 'input or output'))}: {e.strerror or e}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("unsup: interrupted", file=sys.stderr)
        return 130
    return 0
