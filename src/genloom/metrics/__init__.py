"""Quantities, a file each. One that holds two sets of examples against each other derives from ``Comparison``
(:mod:`genloom.judging.metric`), one of a model and real examples from ``Measurement``
(:mod:`genloom.judging.measuring`).
"""
