"""`python -m sigzoo`: the command line."""

from sigzoo.cli import main

main()
