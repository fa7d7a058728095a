"""`python -m mdprotocol`: the command line."""

import sys

from mdprotocol.cli import main

sys.exit(main())
