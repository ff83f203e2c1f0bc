"""``python -m throughtime``: the command line."""

from throughtime.cli import main

if __name__ == "__main__":
    main()
