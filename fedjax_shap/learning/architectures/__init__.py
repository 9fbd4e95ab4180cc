"""Architectures, one file a kind; `learning.model` lists them all."""
