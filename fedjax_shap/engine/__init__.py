"""How many coalitions are valued at once, on what, and where their utilities are kept."""
