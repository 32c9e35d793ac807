"""The command line: parser, one function for each command, exit codes."""
