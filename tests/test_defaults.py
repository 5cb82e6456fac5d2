"""Defaults are part of what a recipe means: a run that states none has those of the paper, or of the docs' numbers.

Whoever changes one on purpose changes it here, too, and makes the numbers in the docs anew that rest on it.
"""

import importlib
import inspect

import pytest

from genloom.objectives.vae import Constant

DEFAULTS = {
    # Mescheder et al., 2018, with the interval of Karras et al., StyleGAN2, 2020; its γ depends on the data
    "objectives.gan.regularisers.R1": {"gamma": 1.0, "every_iterations": 16},
    "objectives.gan.regularisers.R2": {"gamma": 1.0, "every_iterations": 16},
    # Gulrajani et al., 2017, algorithm 1
    "objectives.gan.regularisers.GradientPenalty": {
        "weight": 10.0,
        "norm": 1.0,
        "one_sided": False,
        "every_iterations": 1,
    },
    "objectives.gan.regularisers.Dragan": {"spread": 0.5},  # the authors' code
    "objectives.gan.regularisers.WeightClipping": {"limit": 0.01},  # Arjovsky et al., 2017
    "objectives.gan.regularisers.LeCam": {"weight": 0.1, "decay": 0.99},
    # Karras et al., StyleGAN2, 2020
    "objectives.gan.regularisers.PathLength": {
        "weight": 2.0,
        "decay": 0.99,
        "batch_share": 0.5,
        "every_iterations": 4,
    },
    "objectives.gan.auxiliary.AuxiliaryClassification": {
        "weight": 1.0,
        "generator_weight": 0.1,
        "on_generated": False,
    },
    "objectives.gan.auxiliary.CodeInformation": {"weight": 1.0, "continuous_weight": 0.1},  # Chen et al., 2016
    "objectives.gan.game.GanTerm": {"every_iterations": 1},
    "objectives.vae.Constant": {"value": 1.0},
    "objectives.vae.LinearWarmup": {"value": 1.0},
    "objectives.vae.CyclicalWarmup": {"rising_share": 0.5, "value": 1.0},  # Fu et al., 2019
    "objectives.vae.Elbo": {"free_nats": 0.0, "k": 1},
    "objectives.vae.Iwae": {"k": 5, "stick_the_landing": False},
    "objectives.vae.BetaTc": {"alpha": 1.0, "gamma": 1.0, "beta": Constant(6.0)},  # Chen et al., 2018
    "bottlenecks.gaussian.Gaussian": {"dim": 32},
    "bottlenecks.gaussian.Deterministic": {"dim": 32},
    "bottlenecks.ladder.Ladder": {"dims": (24, 8), "hidden": 128},
    "distributions.priors.VampPrior": {"components": 500},  # Tomczak and Welling, 2018
    "bottlenecks.vector_quantised.VectorQuantised": {
        "stages": 16,
        "num_codes": 256,
        "code_dim": 32,
        "commitment": 0.25,  # van den Oord et al., 2017, section 3.2
        "decay": 0.99,  # appendix A.1
        "revive_below": 0.05,
    },
    "distributions.likelihoods.gaussian.Gaussian": {"sigma": 0.1},
    "distributions.likelihoods.gaussian.OptimalGaussian": {"half_life_batches": 50},
    "distributions.likelihoods.logistic_mixture.DiscretisedLogisticMixture": {"components": 5},  # Salimans et al., 2017
    "networks.autoencoder.autoregressive.AutoregressivePrior": {"width": 384, "dropout": 0.1},
    # Karras et al., StyleGAN2-ADA, 2020, section 3.1 and appendix B
    "networks.gan.ada.AdaptiveAugment": {
        "target": 0.6,
        "adjustment_examples": 500_000,
        "interval": 4,
        "initial_probability": 0.0,
        "max_probability": 0.8,
        "flip": False,
        "rotate_90": False,
        "shift": 0.125,
        "scale": 0.2,
        "rotate": 1.0,
        "stretch": 0.2,
        "translate": 0.125,
        "brightness": 0.2,
        "contrast": 0.5,
        "luma_flip": True,
        "hue": 1.0,
        "saturation": 1.0,
    },
    # Zhao et al., Differentiable Augmentation, 2020, the authors' code
    "networks.gan.augmentation.DiffAugment": {
        "brightness": 0.5,
        "saturation": 1.0,
        "contrast": 0.5,
        "translation": 0.125,
        "cutout": 0.5,
    },
    "networks.gan.stylegan2.StyleGAN2Generator": {
        "width": 16,
        "max_width": 512,
        "w_dim": 128,
        "mapping_layers": 2,
        "mapping_lr_multiplier": 0.01,
        "mixing_probability": 0.9,
        "w_mean_half_life_examples": 10_000,
    },
    "networks.gan.stylegan2.StyleGAN2Discriminator": {"width": 16, "max_width": 512, "mbstd_group": 4},
    "networks.gan.stylegan2_layers.MinibatchDeviation": {"group": 4},
    "networks.heads.Concatenation": {"hidden": 128, "embedding_dim": 32},
    "networks.heads.Codes": {"categories": 10, "continuous": 2, "hidden": 128},  # Chen et al., InfoGAN, 2016
    "networks.sequence.forecasting.Linear": {"kernel": None, "per_channel": False},
    "networks.sequence.forecasting.MeanStd": {"eps": 1e-5},  # Kim et al., RevIN, 2022
    "networks.sequence.forecasting.Patches": {
        "patch_length": 16,
        "stride": 8,
        "flatten": True,
        "mask": False,
        "dropout": 0.0,
    },  # Nie et al., PatchTST, 2023
    "networks.baselines.ngram.NGram": {"order": 5, "continuation": True},
    "networks.sequence.language.Language": {"tied": False, "dropout": 0.0},
    "networks.sequence.recurrent.Recurrent": {"width": 256, "layers": 1, "dropout": 0.0, "layer_norm": False},
    "networks.sequence.transformer.Transformer": {
        "width": 128,
        "layers": 4,
        "heads": 4,
        "context": 256,
        "dropout": 0.0,
        "causal": True,
    },
    "networks.table.variable_tokens.VariableTokens": {"dropout": 0.0},
    "networks.baselines.closed_form.RepeatLast": {"min_log_std": -6.0},
    "networks.baselines.closed_form.SeasonalNaive": {"period": None, "min_log_std": -6.0},
    "networks.baselines.closed_form.Ridge": {"penalties": (0.01,), "min_log_std": -6.0},
    "distributions.outputs.real.Gaussian": {"min_log_std": -6.0},
    "distributions.outputs.variables.Variables": {"components": 5, "min_log_std": -4.0},
    "distributions.outputs.real.Quantiles": {"levels": (0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95)},
    "distributions.latents.NormalWithCodes": {"categories": 10, "continuous": 2, "noise_std": 1.0},
    "distributions.mixture.Mixture": {"components": 10},  # Ghosh et al., From Variational to Deterministic …, 2020
    "samplers.truncated.Truncated": {"psi": 0.7},
    "samplers.tokens.Tokens": {"temperature": 1.0, "top_k": None, "top_p": None},
    "samplers.paths.Paths": {"num_paths": 0, "levels": (0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95)},
    "schedules.linear": {
        "warmup_iterations": 0,
        "constant_fraction": 0.0,
        "from_fraction": 0.0,
        "to_fraction": 1.0,
    },
    "schedules.cosine": {"warmup_iterations": 0, "from_fraction": 0.0, "to_fraction": 1.0},
    "networks.sequence.continuation.generate": {"kept": 0.5},
    "metrics.classes.ClassifierScore": {"splits": 1},
    "metrics.conditional.FrechetWithinClass": {"min_per_class": 20},
    # Chen et al., 2018, for the mutual information gap
    "metrics.detection.Detection": {"folds": 5},
    "metrics.disentanglement.Disentanglement": {"bins": 20, "boosting_rounds": 100},
    "metrics.diversity.StructuralSimilarity": {"num_pairs": 1000},
    "metrics.likelihood.Likelihood": {"num_importance": 100, "num_examples": 10_000},
    "metrics.likelihood.LatentActivity": {"threshold": 0.01},  # Burda et al., 2016, section 5
    "metrics.memorisation.Memorisation": {"num_candidates": 5000},
    "metrics.series.ForecastErrors": {"num_samples": 100},
    "metrics.precision_recall.Support": {
        "k_precision_recall": 3,
        "k_density_coverage": 5,
    },  # Kynkäänniemi, 2019; Naeem, 2020
    "metrics.text.TextSamples": {"num": 64, "length": 256, "copied_characters": 20},
}


@pytest.mark.parametrize("name", DEFAULTS)
def test_a_part_has_the_defaults_that_its_recipes_rest_on(name):
    module, _, part = name.rpartition(".")
    parameters = inspect.signature(getattr(importlib.import_module(f"genloom.{module}"), part)).parameters
    assert {key: parameters[key].default for key in DEFAULTS[name]} == DEFAULTS[name]
