"""What every family shares in training."""
