"""Samplers: how to draw from a trained network."""
