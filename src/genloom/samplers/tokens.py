"""How to draw tokens from a trained network, one after the other."""
