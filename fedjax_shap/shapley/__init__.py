"""Credit, over bare numbers: estimators that make masks and read utilities, and the axioms as
checks.
"""
