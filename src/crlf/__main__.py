"""`python -m crlf` is the command `crlf`."""

import sys

from crlf.cli.entry import main

sys.exit(main())
