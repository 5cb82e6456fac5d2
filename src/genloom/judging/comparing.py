"""Comparisons taken: each by every extractor that can look for it, beside what real examples score."""

from collections.abc import Sequence
from dataclasses import replace

from genloom.extractors.features import FeatureExtractor
from genloom.extractors.reference_cache import ReferenceCache
from genloom.judging.evidence import Evidence
from genloom.judging.metric import Comparison, Direction, Score
from genloom.judging.protocol import Protocol
from genloom.judging.verdict import NotApplicable, Row, Verdict
from genloom.models.abilities import Samples, short_name

FEW_IMAGES = 5000  # below this the bias of the Fréchet distance outweighs it


def compare(
    comparisons: Sequence[Comparison],
    extractors: Sequence[FeatureExtractor],
    evidence: Evidence,
    protocol: Protocol,
    *,
    wanted: int,
    cache: ReferenceCache,
) -> Verdict:
    """Return what each comparison gives for each extractor that can look for it.

    Args:
        comparisons: in the order of the table.
        extractors: untrained ones stand in where no trained one can look.
        evidence: all sets.
        protocol: so far; which extractors looked is added.
        wanted: samples that the protocol asks for.
        cache: of floors.
    """
    rows: list[Row] = []
    missing: list[NotApplicable] = []
    used: dict[str, FeatureExtractor] = {}
    headlines: dict[str, str] = {}
    ranking: list[str] = []  # of samples
    for metric in comparisons:
        names = evidence.candidates(metric.compares)
        if not names and protocol.reference:
            missing += [NotApplicable(name, f"it needs {short_name(metric.requires)}") for name in metric.quantities]
            continue
        chosen, refused = _extractors_for(metric, evidence, extractors)
        missing += refused
        for extractor in chosen:
            used[extractor.name] = extractor
            scores, floor = _scores(metric, extractor, evidence, names, cache)
            for quantity, direction in metric.quantities.items():
                label = extractor.label(quantity)
                headlines.setdefault(quantity, label)
                ranking += [label] if metric.requires is Samples and direction is not Direction.NONE else []
                by_candidate = {name: scores[name][quantity] for name in names}
                rows.append(Row(label, direction, by_candidate, floor[quantity] if floor else None))
    num_judged = protocol.n_fake or wanted
    smallest = min(protocol.n_reference, num_judged)
    distance = headlines.get("kd" if smallest < FEW_IMAGES else "fd")
    headline = distance or next(iter(ranking), None)
    warnings = [extractor.caution for extractor in used.values() if extractor.caution]
    if smallest < FEW_IMAGES and distance:
        warnings.append(
            f"{protocol.n_reference:,} real and {num_judged:,} judged images, below the {FEW_IMAGES:,} "
            f"from which a Fréchet distance is steady: read {distance} first"
        )
    if num_judged < wanted:
        warnings.append(f"{num_judged:,} pictures were there to judge; the protocol asks for {wanted:,}")
    if 0 < protocol.n_substitutes < protocol.n_reference:
        warnings.append(
            f"{protocol.n_substitutes:,} samples were there to take the reference's place; it holds "
            f"{protocol.n_reference:,}"
        )
    protocol = replace(protocol, extractors={name: extractor.protocol for name, extractor in used.items()})
    return Verdict(rows, protocol, missing, warnings, headline)


def _scores(
    metric: Comparison, extractor: FeatureExtractor, evidence: Evidence, names: list[str], cache: ReferenceCache
) -> tuple[dict[str, dict[str, Score]], dict[str, Score] | None]:
    reference = evidence.real(metric.against, extractor)
    scores = {
        name: metric.compare(reference, evidence.candidate(name, extractor, metric.compares), evidence)
        for name in names
    }
    if not metric.has_floor(evidence):
        return scores, None
    stand_in, heldout, train = (evidence.real(role, extractor) for role in (metric.stand_in, "heldout", "train"))
    key = {
        "floor": type(metric).__name__,
        "parameters": metric.parameters,
        "content": evidence.content.facts(),
        "reference": reference.key,
        "stand_in": stand_in.key,
        "heldout": heldout.images.fingerprint,
        "train": train.images.fingerprint,
    }
    floor = cache.plain(
        key,
        lambda: {name: score.to_dict() for name, score in metric.compare(reference, stand_in, evidence).items()},
    )
    return scores, {name: Score.from_dict(plain) for name, plain in floor.items()}


def _extractors_for(
    metric: Comparison, evidence: Evidence, extractors: Sequence[FeatureExtractor]
) -> tuple[list[FeatureExtractor], list[NotApplicable]]:
    """Return who can look for ``metric``; if there is nobody, why not. Untrained extractors only stand in."""
    # where some extractor was made for the content, what keeps the others from looking is no news
    looking = [extractor for extractor in extractors if extractor.trained]
    looking = [extractor for extractor in looking if extractor.why_not(evidence.content) is None]
    considered = [each for each in extractors if each in looking or not each.trained] if looking else extractors
    reasons = {extractor: metric.why_not(extractor, evidence) for extractor in considered}
    able = [extractor for extractor, reason in reasons.items() if reason is None]
    if able:
        return [extractor for extractor in able if extractor.trained] or able[:1], []
    if len(set(reasons.values())) == 1:  # it is not about the extractor
        return [], [NotApplicable(quantity, str(*set(reasons.values()))) for quantity in metric.quantities]
    trained = [extractor for extractor in considered if extractor.trained] or considered
    return [], [
        NotApplicable(extractor.label(quantity), str(reasons[extractor]))
        for extractor in trained
        for quantity in metric.quantities
    ]
