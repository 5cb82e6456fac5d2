"""``python scripts/evaluate.py …`` is ``genloom evaluate …``."""

from genloom.cli import main

if __name__ == "__main__":
    main("evaluate")
