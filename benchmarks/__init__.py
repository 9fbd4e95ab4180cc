"""Benchmarks: one file per question, the rival inside it, equal results asserted before the clock
starts.
"""
