"""Verdicts on pairs as text for a terminal: a line for each figure, with its interval and n."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from exports.comparison.lines import Section, aligned, heading
from exports.comparison.verdicts.between import PairsBetween
from exports.comparison.verdicts.cautions import pair_cautions
from exports.comparison.verdicts.figures import ModelRates, PairComparison, WithPeople
from exports.comparison.verdicts.wildbench import WildBench
from exports.models import Failure
from stats.estimate import Result, Undefined
from stats.ranking.wildbench import Reward, Score

MOST_MODELS = 30


def pairs_as_text(of: PairComparison) -> Iterator[str]:
    pairs, order = of.pairs, of.order
    title = _("Verdicts on pairs")
    yield from heading(f"{title} · {pairs.axis}" if pairs.axis else title, "-")
    counts = [
        ngettext("%(n)s verdict", "%(n)s verdicts", pairs.asked.n) % {"n": f"{pairs.asked.n:,}"},
        ngettext("%(n)s pair in both orders", "%(n)s pairs in both orders", order.pairs)
        % {"n": f"{order.pairs:,}"},
        ngettext("%(n)s prompt", "%(n)s prompts", len(pairs.prompts)) % {"n": f"{len(pairs.prompts):,}"},
        ngettext("%(n)s model", "%(n)s models", len(pairs.models)) % {"n": f"{len(pairs.models):,}"},
    ]
    yield "  " + " · ".join(counts)
    for one in pair_cautions(of):
        yield f"  ! {one}"
    sections = [_failures(of), _order(of)]
    if of.against:
        sections.append(_rates(of.against, _("Win rates against %(model)s") % {"model": of.baseline}))
    else:
        shown = [one for one in of.models if one.model != of.baseline]
        sections.append(
            _rates(
                shown,
                _("Win rates against %(model)s") % {"model": of.baseline}
                if of.baseline
                else _("Win rates against all others that were met"),
            )
        )
    if pairs.one_order.any():
        sections.append(_single(of))
    sections.append(_strengths(of))
    sections += [_with_people(one, pairs.models) for one in of.people]
    yield from aligned(sections)
    if not of.people:
        yield ""
        yield "  " + _("People scored no two responses that the judge compared.")


def _failures(of: PairComparison) -> Section:
    kinds = ", ".join(f"{Failure(kind).label} {n:,}" for kind, n in of.pairs.asked.failures.items() if n)
    return Section(
        _("Failures of the judge"),
        [
            (_("no verdict, share of %(n)s attempts") % {"n": f"{of.pairs.asked.n:,}"}, of.failure_rate),
            *([kinds] if kinds else []),
        ],
    )


def _order(of: PairComparison) -> Section:
    order = of.order
    return Section(
        _("What order does"),
        [
            (_("pairs with the same verdict in both orders"), order.consistency),
            (_("verdicts for the response shown first (half: no part)"), order.shown_first),
            (_("ties in both orders"), order.ties),
            _(
                "of the others: twice for the one shown first %(first)s, twice for the one shown second %(second)s, a tie in one "
                "order %(half)s"
            )
            % {"first": f"{order.first_twice:,}", "second": f"{order.second_twice:,}", "half": f"{order.half:,}"},
        ],
    )  # fmt: skip


def _rates(of: Sequence[ModelRates], title: str) -> Section:
    section = Section(title)
    for one in sorted(of, key=lambda one: -_value(one.rates.adjusted))[:MOST_MODELS]:
        won = _("%(model)s: %(wins)s won, %(losses)s lost, %(ties)s tied or contradictory") % {
            "model": one.model,
            "wins": f"{one.rates.wins:,}",
            "losses": f"{one.rates.losses:,}",
            "ties": f"{one.rates.ties:,}",
        }
        section.rows.append((won, one.rates.adjusted))
    return _shortened(section, len(of))


def _single(of: PairComparison) -> Section:
    section = Section(_("Win rates of single verdicts, with whatever order does"))
    section.rows += [(one.model, one.of_verdicts) for one in of.models[:MOST_MODELS] if one.of_verdicts]
    return _shortened(section, len(of.models))


def _strengths(of: PairComparison) -> Section:
    section = Section(_("Bradley–Terry strengths from verdicts, mean 0"))
    strengths = of.strengths.strengths
    if strengths and all(isinstance(one, Undefined) for one in strengths):
        section.rows.append((_("all models"), strengths[0]))
        return section
    strongest = sorted(zip(of.pairs.models, strengths, strict=True), key=lambda one: -_value(one[1]))
    section.rows += strongest[:MOST_MODELS]
    return _shortened(section, len(of.pairs.models))


def _with_people(of: WithPeople, models: tuple[str, ...]) -> Section:
    found = of.found
    section = Section(
        _("Beside people’s preferences by %(axis)s (%(label)s)")
        % {"axis": of.axis.key, "label": of.axis.label},
        [
            (_("same outcome of three (one, the other, a tie)"), found.agreement),
            (_("the same beyond chance (kappa)"), found.kappa),
            (_("same winner where both decide"), found.decided),
            (_("ties of people"), found.human_ties),
            (_("ties of the judge, contradictions included"), found.judge_ties),
            (_("the judge with a person who rated both"), found.raters.judge),
            (_("such persons with each other"), found.raters.people),
            (_("the first less the second"), found.raters.difference),
            (_("Pearson of the models’ win rates"), found.pearson),
            (_("Kendall’s tau-b of the models’ win rates"), found.kendall),
        ],
    )
    for model, one in list(zip(models, found.models, strict=True))[:MOST_MODELS]:
        if one.n:
            section.rows += [
                (_("%(model)s wins, people") % {"model": model}, one.human),
                (_("%(model)s wins, judge") % {"model": model}, one.judge),
            ]
    return section


def _value(figure: Result) -> float:
    """To sort by: what is undefined comes last."""
    return -math.inf if isinstance(figure, Undefined) else figure.value


def pairs_between_as_text(of: Sequence[PairsBetween]) -> Iterator[str]:
    yield from heading(_("Verdicts on pairs"), "-")
    yield from aligned(
        Section(
            _("%(first)s and %(second)s") % {"first": one.first, "second": one.second},
            [
                (_("same outcome of three (one, the other, a tie)"), one.found.agreement),
                (_("the same beyond chance (kappa)"), one.found.kappa),
                (_("same winner where both decide"), one.found.decided),
                (_("ties of %(judge)s") % {"judge": one.first}, one.found.judge_ties),
                (_("ties of %(judge)s") % {"judge": one.second}, one.found.human_ties),
            ],
        )
        for one in of
    )


def _shortened(section: Section, n: int) -> Section:
    if n > MOST_MODELS:
        section.rows.append(_("… and %(n)s more.") % {"n": n - MOST_MODELS})
    return section


def wildbench_as_text(of: WildBench) -> Iterator[str]:
    yield from heading("WildBench", "-")
    sections = []
    for axis, scores in of.scores:
        section = Section(
            _("WB-Score by %(axis)s, -8 to 10 (the board shows ten times that)") % {"axis": axis}
        )
        for score in scores[:MOST_MODELS]:
            section.rows += _both(score.model, score.published, score.ours)
        sections.append(_shortened(section, len(scores)))
    for axis, rewards in of.rewards:
        title = (
            _("WB-Reward, -1 to 1; a slight winner longer by more than %(k)s characters ties")
            % {"k": f"{of.k:g}"}
            if of.k >= 0
            else _("WB-Reward, -1 to 1; without the rule on length")
        )
        section = Section(f"{title} · {axis}" if axis else title)
        for reward in rewards[:MOST_MODELS]:
            section.rows += _both(reward.model, reward.published, reward.ours)
        sections.append(_shortened(section, len(rewards)))
    yield from aligned(sections)


def _both(model: str, published: Score | Reward, ours: Score | Reward) -> Iterator[tuple[str, Result] | str]:
    """As published; without truncated and empty responses too, where there are any."""
    for one, called in (
        (published, ""),
        (ours, _("without %(n)s truncated or empty") % {"n": ours.n_truncated}),
    ):
        if called and not ours.n_truncated:
            continue
        name = f"{model}, {called}" if called else model
        yield name, one.reward if isinstance(one, Reward) else one.score
        if one is published and _lacks_a_group(published):
            continue  # as published, a group without a response counts 0
        if not isinstance(one.task_macro, Undefined):
            yield _("%(model)s, mean of task groups, weighted") % {"model": name}, one.task_macro
    if _lacks_a_group(published) and not ours.n_truncated and not isinstance(ours.task_macro, Undefined):
        yield (
            _("%(model)s, mean of those task groups that there are, weighted") % {"model": model},
            ours.task_macro,
        )


def _lacks_a_group(of: Score | Reward) -> bool:
    groups = of.groups if isinstance(of, Reward) else [of.groups]
    return any(isinstance(figure, Undefined) for one in groups for figure in one.values())
