"""``python scripts/encode.py …`` is ``genloom encode …``."""

from genloom.cli import main

if __name__ == "__main__":
    main("encode")
