"""`python -m facedial` is the command `facedial`."""

from facedial.cli.entry import main

if __name__ == "__main__":
    main()
