"""Baselines with a closed form."""
