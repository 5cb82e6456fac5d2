"""Networks that tell content from noise; each derives from ``DenoiserNetwork`` (:mod:`.base`)."""
