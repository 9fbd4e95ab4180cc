"""Experiments: one file a claim, whose docstring says claim, command, minutes, what is expected and
what was seen.
"""
