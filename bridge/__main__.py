"""Lets ``python -m bridge`` stand for ``humhub-bridge``."""

import sys

from bridge.cli import main

if __name__ == "__main__":
    sys.exit(main())
