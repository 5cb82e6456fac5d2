"""Callbacks: they know capabilities, never families."""
