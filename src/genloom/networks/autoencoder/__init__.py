"""Encoders and decoders, and the prior of codes."""
