"""How one coalition trains: models, local training, aggregation, metrics, the round loop."""
