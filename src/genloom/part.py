"""The mark of what a configuration may build."""


class Part:
    """A class whose objects a configuration may build, even one that came with somebody else's checkpoint.

    Its constructor and its methods do nothing but compute: they run no command and write only where the user said. What
    derives from ``torch.nn.Module`` or from an optimizer is a part without this mark.
    """

    __slots__ = ()
