"""`python -m unsup`: the same program as the console script `unsup`."""

import sys

from unsup.cli.main import main

sys.exit(main())
