"""The program, with exit codes and one-line errors."""

import io
import os
import sys

from unsup.cli.finetune import finetune
from unsup.cli.judging import audit, evaluate, selfcheck
from unsup.cli.label import label
from unsup.cli.output import log_in_terminal
from unsup.cli.parser import parse
from unsup.cli.reports import compare, reproduce, results
from unsup.cli.start import start
from unsup.cli.training import models, resume, sweep, train
from unsup.cli.use import classify, encode, export, similar, zero_shot
from unsup.core.commands import in_typed_form
from unsup.core.errors import UserError, one_line

COMMANDS = {
    command.__name__: command
    for command in (
        *(start, train, sweep, resume, finetune, models),
        *(audit, evaluate, compare, selfcheck, results, reproduce),
        *(label, classify, similar, encode, export, zero_shot),
    )
}


def main(argv: list[str] | None = None) -> int:
    """Run one command and return its exit code.

    Exit codes are 0 (done), 1 (failure), 2 (usage) and 130 (Ctrl-C). Errors that the user can fix are one line on
    stderr. UNSUP_DEBUG=1 shows the traceback.
    """
    for stream in (sys.stdout, sys.stderr):  # file names and terminals need not be Unicode
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        command, arguments = parse(sys.argv[1:] if argv is None else argv, COMMANDS)
        with log_in_terminal():
            command(**arguments)
    except BrokenPipeError:  # a program such as head reads no further
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or Python complains at its end
        return 141
    except (UserError, OSError) as e:  # OSError: such as a full disk or a read-only folder
        if os.environ.get("UNSUP_DEBUG"):
            raise
        print(f"unsup: {in_typed_form(one_line(e))}", file=sys.stderr)
        return e.exit_code if isinstance(e, UserError) else 1
    except KeyboardInterrupt:
        print("unsup: interrupted", file=sys.stderr)
        return 130
    return 0
