"""Games meet estimators: one verb, and what is built on it."""
