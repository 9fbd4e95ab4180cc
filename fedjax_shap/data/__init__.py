"""The world: federations of data, where they come from, how they are split and spoilt."""
