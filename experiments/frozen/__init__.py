"""Frozen games: the utilities of all coalitions of trained federations, kept for comparisons."""
