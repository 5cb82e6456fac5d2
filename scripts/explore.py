"""``python scripts/explore.py …`` is ``genloom explore …``."""

from genloom.cli import main

if __name__ == "__main__":
    main("explore")
