"""``python -m genloom`` is ``genloom``."""

from genloom.cli import main

if __name__ == "__main__":
    main()
