"""`python -m facedial` is the command `facedial`."""

from facedial.cli.entry import main

main()
