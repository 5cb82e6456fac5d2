"""What a discriminator says about features: a score alone, a score that knows the class, or further opinions beside it.

Notation: h features of an example, y its class, e_y a learned vector per class.
"""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from genloom.batch import Condition, Label
from genloom.errors import ConfigError, NeedsLabelsError
from genloom.limits import Count, Whole
from genloom.networks.base import Critique, Head
from genloom.spec import Spec


class Score(Head):
    """One linear score: wᵀh + b."""

    def __init__(self, spec: Spec, num_features: int) -> None:
        super().__init__()
        self.score = nn.Linear(num_features, 1)

    def forward(self, features: Float[Tensor, "batch features"], condition: Condition | None = None) -> Critique:
        """Return one score per example."""
        return Critique(self.score(features).squeeze(1))


class Concatenation(Head):
    """A hidden layer over [h, e_y], then one score.

    Mirza and Osindero, Conditional Generative Adversarial Nets, 2014, section 4.1, join the hidden layers so.

    Args:
        spec: the data's; labelled.
        num_features: length of h.
        hidden: units of the hidden layer.
        embedding_dim: length of e_y.
    """

    conditional = True

    def __init__(self, spec: Spec, num_features: int, *, hidden: Count = 128, embedding_dim: Count = 32) -> None:
        super().__init__()
        self.embedding = nn.Embedding(num_classes(spec, "head: concatenation"), embedding_dim)
        self.hidden = nn.Linear(num_features + embedding_dim, hidden)
        self.score = nn.Linear(hidden, 1)

    def forward(self, features: Float[Tensor, "batch features"], condition: Condition | None = None) -> Critique:
        """Return one score per example."""
        joined = torch.cat([features, self.embedding(label_index(condition))], dim=1)
        return Critique(self.score(F.leaky_relu(self.hidden(joined), 0.2)).squeeze(1))


class Projection(Head):
    """wᵀh + b + e_yᵀh; Miyato and Koyama, cGANs with Projection Discriminator, 2018, equation 4.

    Args:
        spec: the data's.
        num_features: length of h.
        required: refuse data without classes; otherwise the score is wᵀh + b there.
    """

    def __init__(self, spec: Spec, num_features: int, *, required: bool = True) -> None:
        super().__init__()
        self.conditional = required or spec.labels is not None
        self.score = nn.Linear(num_features, 1)
        if not self.conditional:
            return
        self.embedding = nn.Embedding(num_classes(spec, "head: projection"), num_features)
        nn.init.normal_(self.embedding.weight, 0.0, num_features**-0.5)

    def forward(self, features: Float[Tensor, "batch features"], condition: Condition | None = None) -> Critique:
        """Return one score per example."""
        score = self.score(features).squeeze(1)
        if self.conditional:
            score = score + (self.embedding(label_index(condition)) * features).sum(1)
        return Critique(score)


class Classifier(Head):
    """A score that does not know the class, and class logits beside it (``aux["class"]``).

    Odena et al., Conditional Image Synthesis with Auxiliary Classifier GANs, 2017.
    """

    def __init__(self, spec: Spec, num_features: int) -> None:
        super().__init__()
        self.aux = {"class": num_classes(spec, "head: classifier")}
        self.score = nn.Linear(num_features, 1)
        self.classify = nn.Linear(num_features, self.aux["class"])

    def forward(self, features: Float[Tensor, "batch features"], condition: Condition | None = None) -> Critique:
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

    def forward(self, features: Float[Tensor, "batch features"], condition: Condition | None = None) -> Critique:
        """Return scores, and aux of shapes (batch, categories) and (batch, continuous)."""
        codes = self.recognise(features).split(list(self.aux.values()), dim=1)
        return Critique(self.score(features).squeeze(1), dict(zip(self.aux, codes, strict=True)))


def num_classes(spec: Spec, who: str) -> int:
    """Return the number of the data's classes.

    Raises:
        NeedsLabelsError: the data has none; ``who`` names the key that needs them.
    """
    if spec.labels is None:
        raise NeedsLabelsError(
            f"{who} needs labels, and data.name={spec.name} has none; choose labelled data or another"
        )
    return len(spec.labels.classes)


def label_index(condition: Condition | None) -> Tensor:
    """Return the class of each example, for a network that can't do without."""
    if not isinstance(condition, Label):
        raise ConfigError("condition: a class-conditional network was asked for content without a class; give a Label")
    return condition.index
