"""Experiments: one file a claim; its docstring has the claim, the command, and what was seen."""
