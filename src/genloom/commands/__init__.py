"""The commands: a module with ``run(config)`` each, found by its root yaml file of the same name in ``conf/``.

Beside them :mod:`.assembly` puts the parts of a run together, and :mod:`.output` finds the place for what is written.
"""
