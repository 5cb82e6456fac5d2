"""From a command line to a checked configuration, without importing torch.

``directory`` finds the yaml files, ``schema`` types their root keys, ``composition`` composes them through Hydra,
``validation`` checks the result against its targets, which ``targets``, ``signatures`` and ``annotations`` read from
their sources, and ``instantiate`` builds the objects.
"""
