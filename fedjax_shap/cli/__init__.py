"""The command line, one file a command; `main` reads which command is meant.

A command's file has `add_arguments(parser)`, which says what the command takes and which function
does it. Only the file of the command that is meant is imported, and the files import what needs JAX
inside the functions that do the work: help and refusals of a bad command line answer at once.
"""
