"""One file a verb, each with `command`; a new file is a new verb."""
