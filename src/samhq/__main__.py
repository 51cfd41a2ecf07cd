"""`python -m samhq`: the same as the command `samhq`."""

import sys

from samhq.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
