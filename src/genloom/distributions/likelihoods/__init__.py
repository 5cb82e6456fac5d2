"""Likelihoods: p(content | what a decoder says)."""
