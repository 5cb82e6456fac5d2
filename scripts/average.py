"""``python scripts/average.py …`` is ``genloom average …``."""

from genloom.cli import main

if __name__ == "__main__":
    main("average")
