"""What a discriminator says of features: a score alone, one that knows the conditions, or further opinions beside it.

Notation: h features of an example, y a condition, e_y a vector of it: of classes, a learned one each.
"""

from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from genloom.batch import NOTHING, Given
from genloom.errors import NeedsLabelsError
from genloom.limits import Count, Whole
from genloom.networks.base import Critique, Head
from genloom.networks.embedders import MakeEmbedder, Told
from genloom.spec import Spec


class Score(Head):
    """One linear score: wᵀh + b."""

    def __init__(self, spec: Spec, num_features: int) -> None:
        super().__init__()
        self.score = nn.Linear(num_features, 1)

    def forward(self, features: Float[Tensor, "batch features"], given: Given = NOTHING) -> Critique:
        """Return one score per example."""
        return Critique(self.score(features).squeeze(1))


class Concatenation(Head):
    """A hidden layer over [h, e_y], then one score.

    Mirza and Osindero, Conditional Generative Adversarial Nets, 2014, section 4.1, join the hidden layers so.

    Args:
        spec: the data's.
        num_features: length of h.
        hidden: units of the hidden layer.
        embedding_dim: length of e_y.
        names: of the conditions; None is all that the data has.
        embedders: by a condition's name, what makes a vector of it; without one it is what is usual for its kind.
    """

    def __init__(
        self,
        spec: Spec,
        num_features: int,
        *,
        hidden: Count = 128,
        embedding_dim: Count = 32,
        names: Sequence[str] | None = None,
        embedders: Mapping[str, MakeEmbedder] | None = None,
    ) -> None:
        super().__init__()
        self.told = Told(spec, "head: concatenation", names=names, embedders=embedders, dim=embedding_dim)
        self.conditions = self.told.names
        self.hidden = nn.Linear(num_features + self.told.dim, hidden)
        self.score = nn.Linear(hidden, 1)

    def forward(self, features: Float[Tensor, "batch features"], given: Given = NOTHING) -> Critique:
        """Return one score per example."""
        joined = torch.cat([features, self.told(given)], dim=1)
        return Critique(self.score(F.leaky_relu(self.hidden(joined), 0.2)).squeeze(1))


class Projection(Head):
    """wᵀh + b + e_yᵀh; Miyato and Koyama, cGANs with Projection Discriminator, 2018, equation 4.

    Of several conditions, each adds its own e_yᵀh.

    Args:
        spec: the data's.
        num_features: length of h.
        required: refuse data without conditions; otherwise the score is wᵀh + b there.
        names: of the conditions; None is all that the data has.
        embedders: by a condition's name, what makes a vector of it; without one it is what is usual for its kind.
    """

    def __init__(
        self,
        spec: Spec,
        num_features: int,
        *,
        required: bool = True,
        names: Sequence[str] | None = None,
        embedders: Mapping[str, MakeEmbedder] | None = None,
    ) -> None:
        super().__init__()
        self.score = nn.Linear(num_features, 1)
        self.told = Told(
            spec,
            "head: projection",
            names=names,
            required=required,
            embedders=embedders,
            dim=num_features,
            std=num_features**-0.5,
        )
        self.conditions = self.told.names

    def forward(self, features: Float[Tensor, "batch features"], given: Given = NOTHING) -> Critique:
        """Return one score per example."""
        score = self.score(features).squeeze(1)
        for vector in self.told.vectors(given):
            score = score + (vector * features).sum(1)
        return Critique(score)


class Classifier(Head):
    """A score that does not know the class, and class logits beside it (``aux["class"]``).

    Odena et al., Conditional Image Synthesis with Auxiliary Classifier GANs, 2017.
    """

    def __init__(self, spec: Spec, num_features: int) -> None:
        super().__init__()
        if spec.labels is None:
            raise NeedsLabelsError(
                f"head: classifier needs labels, and data.name={spec.name} has none; choose labelled data or another"
            )
        self.aux = {"class": len(spec.labels.classes)}
        self.score = nn.Linear(num_features, 1)
        self.classify = nn.Linear(num_features, self.aux["class"])

    def forward(self, features: Float[Tensor, "batch features"], given: Given = NOTHING) -> Critique:
        """Return scores, and logits of shape (batch, classes)."""
        return Critique(self.score(features).squeeze(1), {"class": self.classify(features)})


class Codes(Head):
    """A score, and beside it what the latent codes seem to be: logits of the category, means of the continuous codes.

    Chen et al., InfoGAN, 2016: the recognition network Q shares all but its last layers with the discriminator.

    Args:
        spec: the data's.
        num_features: length of h.
        categories: values of the categorical code.
        continuous: number of continuous codes; 0 for none.
        hidden: units of Q's own layer.
    """

    def __init__(
        self, spec: Spec, num_features: int, *, categories: int = 10, continuous: Whole = 2, hidden: Count = 128
    ) -> None:
        super().__init__()
        self.aux = {"category": categories} | ({"continuous": continuous} if continuous else {})
        self.score = nn.Linear(num_features, 1)
        self.recognise = nn.Sequential(
            nn.Linear(num_features, hidden), nn.LeakyReLU(0.2), nn.Linear(hidden, categories + continuous)
        )

    def forward(self, features: Float[Tensor, "batch features"], given: Given = NOTHING) -> Critique:
        """Return scores, and aux of shapes (batch, categories) and (batch, continuous)."""
        codes = self.recognise(features).split(list(self.aux.values()), dim=1)
        return Critique(self.score(features).squeeze(1), dict(zip(self.aux, codes, strict=True)))
