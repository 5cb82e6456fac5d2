"""Each regulariser against its closed form on critics and generators that are linear or quadratic."""

import math

import pytest
import torch

from genloom.batch import Given
from genloom.errors import ConfigError
from genloom.networks.base import Critique
from genloom.objectives.gan import R1, R2, Dragan, GradientPenalty, LeCam, PathLength, WeightClipping
from objectives.games import Linear, Quadratic, first_pixel, game, images

REAL, FAKE = torch.randn(2, 6, 1, 4, 4, generator=torch.Generator().manual_seed(2))


def norms(content: torch.Tensor) -> torch.Tensor:
    return content.flatten(1).norm(dim=1)


@pytest.mark.parametrize(("term", "content"), [(R1, REAL), (R2, FAKE)])
def test_zero_centred_penalties_of_a_quadratic_critic(term, content):
    critic = Quadratic(2.0)
    loss = term(gamma=3.0).discriminator(game(critic, REAL, FAKE))
    squared = norms(content).square().mean()
    assert loss.total.item() == pytest.approx(1.5 * 4 * squared.item(), rel=1e-5)  # γ/2 · a² E‖x‖²
    loss.total.backward()
    assert critic.a.grad.item() == pytest.approx(1.5 * 2 * 2 * squared.item(), rel=1e-5)


@pytest.mark.parametrize("k", [1.0, 0.1])
@pytest.mark.parametrize("term", [GradientPenalty, Dragan])
def test_gradient_penalty_of_a_linear_critic(term, k):
    critic = Linear()
    norm = critic.w.detach().norm()
    loss = term(weight=10.0, norm=k).discriminator(game(critic, REAL, FAKE))
    assert loss.total.item() == pytest.approx(10 * (norm.item() - k) ** 2, rel=1e-5)
    loss.total.backward()
    expected = 20 * (norm - k) * critic.w.detach() / norm
    torch.testing.assert_close(critic.w.grad, expected, rtol=1e-4, atol=1e-5)


class ByClass(Linear):
    """D(x, y) = (y + 1) w·x, whose gradient differs from class to class."""

    def forward(self, content: torch.Tensor, given: Given) -> Critique:
        return Critique((given["label"] + 1) * super().forward(content).score)


@pytest.mark.parametrize(
    ("term", "of_norm"),
    [
        (R1(gamma=3.0), lambda norm: 1.5 * norm.square()),
        (R2(gamma=3.0), lambda norm: 1.5 * norm.square()),
        (GradientPenalty(weight=10.0, norm=2.0), lambda norm: 10 * (norm - 2).square()),
        (Dragan(weight=10.0, norm=2.0), lambda norm: 10 * (norm - 2).square()),
    ],
    ids=["r1", "r2", "gradient_penalty", "dragan"],
)
def test_every_penalty_of_a_gradient_asks_the_critic_of_the_class_at_hand(term, of_norm):
    critic, labels = ByClass(), torch.tensor([0, 1, 2, 2, 3, 0])
    loss = term.discriminator(game(critic, REAL, FAKE, labels=labels)).total
    assert loss.item() == pytest.approx(of_norm((labels + 1) * critic.w.detach().norm()).mean().item(), rel=1e-5)


def test_one_sided_gradient_penalty_leaves_flat_critics_alone():
    critic = Linear()
    with torch.no_grad():
        critic.w.mul_(0.5 / critic.w.norm())
    played = game(critic, REAL, FAKE)
    assert GradientPenalty(one_sided=True).discriminator(played).total.item() == 0
    assert GradientPenalty(weight=10.0).discriminator(played).total.item() == pytest.approx(2.5, rel=1e-4)


def test_gradient_penalty_is_taken_between_real_and_generated():
    points = GradientPenalty().points(game(Linear(), REAL, FAKE))
    share = (points - FAKE) / (REAL - FAKE)
    assert share.min() >= -1e-4
    assert share.max() <= 1 + 1e-4
    per_example = share.flatten(1)
    torch.testing.assert_close(per_example, per_example[:, :1].expand_as(per_example), rtol=1e-3, atol=1e-3)
    assert per_example[:, 0].std() > 0.05


def test_dragan_s_points_are_those_of_the_authors_code():
    """x + α (x_p − x) with x_p = x + 0.5 std(x) u; numpy's std is of the population."""
    real = torch.randn(500, 1, 8, 8, generator=torch.Generator().manual_seed(3)) * 3
    share = (Dragan(spread=0.5).points(game(Linear(), real, real)) - real) / (0.5 * real.numpy().std().item())
    assert share.min() >= -1e-5 and share.max() <= 1  # never below x
    assert share.mean().item() == pytest.approx(1 / 4, abs=0.02)
    assert share.flatten(1).amax(1).mean().item() == pytest.approx(0.5, abs=0.04)  # α is one number per example
    assert share.square().mean().item() == pytest.approx(1 / 9, abs=0.02)


def test_a_critic_of_norm_zero_gives_a_finite_gradient():
    critic = Linear()
    with torch.no_grad():
        critic.w.zero_()
    GradientPenalty().discriminator(game(critic, REAL, FAKE)).total.backward()
    assert critic.w.grad.isfinite().all()


def test_weight_clipping_clips_after_the_update_only():
    critic = Linear()
    before = critic.w.detach().clone()
    term = WeightClipping(limit=0.1)
    assert term.discriminator(game(critic, REAL, FAKE)) is None
    assert torch.equal(critic.w, before)
    term.constrain(critic)
    assert torch.equal(critic.w, before.clamp(-0.1, 0.1))


def test_lecam_against_the_authors_code():
    """lecam_loss.py by hand: rectifiers, and means over the updates so far, this one included, free of their start."""
    term = LeCam(weight=0.5, decay=0.9)
    first = term.discriminator(game(first_pixel, images(2.0, 4.0), images(-1.0, 1.0)))
    assert first.total.item() == pytest.approx(0.5 * ((4 + 16) / 2 + (16 + 4) / 2))  # the means: 3 and 0
    second = term.discriminator(game(first_pixel, images(-2.0, 1.0), images(0.0, 6.0)))
    real, fake = (0.9 * 3 - 0.5) / 1.9, (0.9 * 0 + 3) / 1.9  # 0.1 each without the bias: 0.19 is 1 - 0.9²
    assert second.terms()["lecam_gap"].item() == pytest.approx(real - fake, rel=1e-6)
    assert second.total.item() == pytest.approx(0.5 * ((0 + 0) / 2 + (real**2 + 0) / 2), rel=1e-5)
    assert all(name.startswith(("mean_real.", "mean_fake.")) for name in term.state_dict())


def test_lecam_is_free_of_charge_where_scores_are_on_the_safe_side():
    scores = torch.tensor([0.5, -3.0], requires_grad=True)
    held = LeCam(weight=1.0, decay=0.0)
    critic = lambda content, condition: Critique(scores[: len(content)] if content.sum() else scores.detach() + 10)  # noqa: E731
    held.discriminator(game(critic, images(1.0, 1.0), images(0.0, 0.0))).total.backward()
    assert (scores.grad == 0).all()  # real below the generated: the regulariser pulls nothing up


def linear_generator(matrix: torch.Tensor):
    return lambda latent: (latent["w"] @ matrix.T).unflatten(1, (1, 4, 4))


def test_path_length_of_a_linear_generator():
    """‖Aᵀy‖² has the mean ‖A‖²_F / 16 for y ~ N(0, I)/√16, so with many draws so has the square of the length."""
    rng = torch.Generator().manual_seed(3)
    matrix = torch.randn(16, 5, generator=rng)
    w = torch.randn(20_000, 5, generator=rng, requires_grad=True)
    render = linear_generator(matrix)
    term = PathLength(weight=1.0, decay=0.0, batch_share=1.0)
    loss = term.generator(game(first_pixel, REAL, render({"w": w}), latent={"w": w}, rerun=render))
    length, variance = term.mean.item(), loss.total.item()  # with decay 0 the mean is this batch's own
    assert length**2 + variance == pytest.approx((matrix.square().sum() / 16).item(), rel=0.02)


def test_path_length_of_styles_is_the_root_of_the_mean_square_over_their_layers():
    """Karras et al., Analyzing and Improving the Image Quality of StyleGAN, 2020, as its authors' code has it."""
    rng = torch.Generator().manual_seed(3)
    matrices = torch.randn(3, 16, 5, generator=rng)  # one for each of three layers
    w = torch.randn(20_000, 3, 5, generator=rng, requires_grad=True)

    def render(latent):
        return torch.einsum("lpd,nld->np", matrices, latent["w"]).unflatten(1, (1, 4, 4))

    term = PathLength(weight=1.0, decay=0.0, batch_share=1.0)
    loss = term.generator(game(first_pixel, REAL, render({"w": w}), latent={"w": w}, rerun=render))
    length, variance = term.mean.item(), loss.total.item()
    assert length**2 + variance == pytest.approx((matrices.square().sum() / 16 / 3).item(), rel=0.02)


def test_path_length_teaches_what_w_is_made_by_too():
    mapping = torch.randn(5, 5, requires_grad=True)

    def render(latent):
        return (latent["w"].square() @ torch.ones(5, 16)).unflatten(1, (1, 4, 4))

    w = torch.randn(8, 5) @ mapping
    term = PathLength(batch_share=1.0)
    term.generator(game(first_pixel, REAL, render({"w": w}), latent={"w": w}, rerun=render)).total.backward()
    assert mapping.grad is not None and mapping.grad.any()


def test_path_length_moves_the_generator_towards_equal_lengths():
    matrix = torch.nn.Parameter(torch.diag_embed(torch.tensor([4.0, 0.1, 0.1, 0.1])).repeat(4, 1))
    w = torch.randn(256, 4, generator=torch.Generator().manual_seed(4), requires_grad=True)
    term = PathLength(batch_share=1.0)
    render = linear_generator(matrix)
    played = game(first_pixel, REAL, render({"w": w}), latent={"w": w}, rerun=render)
    term.mean.fill_(1.0)
    term.decay = 1.0
    losses = []
    for _ in range(150):
        loss = term.generator(played)
        (gradient,) = torch.autograd.grad(loss.total, matrix)
        with torch.no_grad():
            matrix -= 0.05 * gradient
        losses.append(loss.total.item())
    assert losses[-1] < 0.5 * losses[0]


def test_path_length_uses_a_share_of_the_batch():
    seen = []
    w = torch.randn(7, 5, requires_grad=True)

    def render(latent):
        seen.append(len(latent["w"]))
        return linear_generator(torch.ones(16, 5))(latent)

    PathLength(batch_share=0.5).generator(
        game(first_pixel, REAL, torch.zeros(7, 1, 4, 4), latent={"w": w}, rerun=render)
    )
    assert seen == [math.ceil(7 / 2)]


@pytest.mark.parametrize("term", [R1, R2, GradientPenalty, Dragan, PathLength])
def test_every_regulariser_is_as_lazy_as_it_is_told_to_be(term):
    assert term(every_iterations=7).every_iterations == 7
    with pytest.raises((ValueError, ConfigError), match="every_iterations"):
        term(every_iterations=0)


class OverPacks(Linear):
    """Of packs of three: the product of what :class:`Linear` says of each."""

    def forward(self, content: torch.Tensor, given: object = None) -> Critique:
        return Critique(super().forward(content).score.view(-1, 3).prod(1))


@pytest.mark.parametrize("term", [R1(gamma=2.0), GradientPenalty(weight=1.0, norm=0.0)], ids=["r1", "gradient_penalty"])
def test_a_penalty_over_packs_is_of_the_gradient_of_a_whole_pack(term):
    critic = OverPacks()
    scores = (REAL.flatten(1) @ critic.w).detach().view(2, 3)
    # ∇ₓ of abc is (bc w, ac w, ab w)
    squared = critic.w.detach().square().sum() * (scores.prod(1, keepdim=True) / scores).square().sum(1)
    loss = term.discriminator(game(critic, REAL, REAL.clone(), pack=3))
    assert loss.total.item() == pytest.approx(squared.mean().item(), rel=1e-4)


def test_all_of_a_pack_lie_as_far_between_real_and_generated():
    points = GradientPenalty().points(game(Linear(), torch.ones(6, 1, 4, 4), torch.zeros(6, 1, 4, 4), pack=3))
    assert [len(pack.unique()) for pack in points.split(3)] == [1, 1]
    assert len(points.unique()) == 2
