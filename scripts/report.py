"""``python scripts/report.py …`` is ``genloom report …``."""

from genloom.cli import main

if __name__ == "__main__":
    main("report")
