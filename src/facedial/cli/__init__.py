"""The command line: parse, call one function, present. Verbs are files of `verbs/`."""
