"""The program `unsup` as `python -m unsup`."""

import os
import sys

# Python looks into the working directory first: a module of the user's must not hide one of a library.
if sys.path[0] == os.getcwd():  # noqa: PTH109
    sys.path.append(sys.path.pop(0))

from unsup.cli.main import main

sys.exit(main())
