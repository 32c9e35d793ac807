"""The program `unsup` as `python -m unsup`."""

import os
import sys

# Python looks into the working directory first: a module of the user's must not hide one of a library.
if sys.path[0] == os.getcwd():  # noqa: PTH109
    sys.path.append(sys.path.pop(0))

try:
    from unsup.cli.main import main

    sys.exit(main())
except ModuleNotFoundError as e:
    if os.environ.get("UNSUP_DEBUG"):
        raise
    from unsup.core.commands import install, uses_make

    remedy = f"{install(python=sys.executable)}{', or leave PY= out' if uses_make() else ''}"
    sys.exit(f"unsup: {sys.executable} has no module {e.name}: {remedy}")
