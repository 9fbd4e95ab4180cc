"""Kinds of federation, one file a kind: each makes a `Setting` of a configuration."""
