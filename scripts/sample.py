"""``python scripts/sample.py …`` is ``genloom sample …``."""

from genloom.cli import main

if __name__ == "__main__":
    main("sample")
