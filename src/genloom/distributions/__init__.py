"""Distributions: of latents, of content given what a network says, of what is left."""
