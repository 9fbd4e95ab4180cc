"""What a coalition is worth: games over trained models, and games whose values are known."""
