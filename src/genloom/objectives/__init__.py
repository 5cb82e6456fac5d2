"""Objectives: what is being minimised, as small classes that know no family and no network."""
