"""Looks at a model while it trains, and afterwards, a file each: a callback that ``callbacks=`` chooses, and that
``genloom explore`` draws from a checkpoint. One that is a picture derives from ``PictureLook`` (:mod:`.base`).
"""
