"""Runs read back from disk, grouped into tables of what is comparable, and written for people and programs."""
