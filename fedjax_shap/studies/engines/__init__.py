"""Engines: where the cells of a sweep run."""
