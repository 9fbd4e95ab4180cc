"""Benchmarks: one file a question, its rival inside; equal results come first, then the clock."""
