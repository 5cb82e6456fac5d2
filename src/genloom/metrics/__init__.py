"""Metrics: each view of a model computed once, each number with its protocol."""
