"""``python scripts/reconstruct.py …`` is ``genloom reconstruct …``."""

from genloom.cli import main

if __name__ == "__main__":
    main("reconstruct")
