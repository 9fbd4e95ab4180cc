"""Federated algorithms, one file each, over one interface."""
