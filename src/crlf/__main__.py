"""`python -m crlf` is the command `crlf`."""

import sys

from crlf.cli.main import main

sys.exit(main())
