"""``python -m refnet``: the command line."""

import sys

from refnet.cli import main

sys.exit(main())
