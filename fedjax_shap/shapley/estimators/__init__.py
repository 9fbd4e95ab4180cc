"""Estimators of values, one file each, over one registry."""
