"""The command line, with one function for each command."""
