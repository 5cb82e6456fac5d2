"""Looks at a model while it trains, and afterwards."""
