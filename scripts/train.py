"""``python scripts/train.py …`` is ``genloom train …``."""

from genloom.cli import main

if __name__ == "__main__":
    main("train")
