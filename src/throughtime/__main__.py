"""``python -m throughtime``, and the command ``throughtime``: the command line."""

from __future__ import annotations

import sys

from throughtime.extras import training_lacks
from throughtime.visible import tell


def main() -> None:
    """Runs the command line; without the libraries that it needs, says how to get them."""
    if (lacks := training_lacks("throughtime")) is not None:
        tell(lacks)
        sys.exit(2)
    from throughtime import cli

    cli.main()


if __name__ == "__main__":
    main()
