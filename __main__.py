"""``python -m dyn``: the same as the command ``dyn``."""

from dyn.cli import main

if __name__ == "__main__":
    main()
