"""What a diffusion model is made of, each independent of the others: how content is noised (:mod:`.process`), what its
network predicts (:mod:`.prediction`), at which levels of noise it is trained (:mod:`.noise_levels`), how much each
counts (:mod:`.weighting`), and how it says how probable content is (:mod:`.likelihood`).
"""
