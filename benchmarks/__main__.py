"""`python -m benchmarks SECTION [flags]`."""

from __future__ import annotations

import sys
from importlib import import_module

SECTIONS = ("encode", "decode", "everything", "end_to_end", "track", "all", "report", "compare")


def main() -> None:
    """Runs one section with the rest of the command line."""
    if len(sys.argv) < 2 or sys.argv[1] not in SECTIONS:
        raise SystemExit(f"usage: python -m benchmarks {{{','.join(SECTIONS)}}} [flags]; each has --help")
    section = sys.argv.pop(1)
    sys.argv[0] = f"benchmarks {section}"
    raise SystemExit(import_module(f"benchmarks.{section}").main())


if __name__ == "__main__":
    main()
