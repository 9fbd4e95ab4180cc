"""A permanent record of contributions, costs and payments."""
