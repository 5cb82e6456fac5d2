"""Kinds of content: one file each says all that the program knows of pictures, points, text, series."""
