"""How the programs of this folder end: what a user can mend is told in a line, not by a traceback."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

from sigzoo.errors import SigzooError

__all__ = ["cli_main"]


def cli_main(main: Callable[[], None]) -> None:
    """Run a program; leave with the error's own exit status where one is raised that names its cause."""
    try:
        main()
    except SigzooError as error:
        print(f"{Path(sys.argv[0]).name}: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
