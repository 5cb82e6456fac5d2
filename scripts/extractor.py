"""``python scripts/extractor.py …`` is ``genloom extractor …``."""

from genloom.cli import main

if __name__ == "__main__":
    main("extractor")
