"""A comparison as text for a terminal: a line for each figure, with its interval and n."""

from __future__ import annotations

from collections.abc import Iterator

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from annotation.agreement.report import figure_in_words
from annotation.agreement.words import WHERE_EXPLAINED
from exports.comparison import words
from exports.comparison.axis import AxisComparison
from exports.comparison.between import AxisBetween
from exports.comparison.cautions import cautions
from exports.comparison.judges import preset_of
from exports.comparison.lines import Section, aligned, heading
from exports.comparison.project import JudgeComparison, ProjectComparison
from exports.comparison.verdicts.text import pairs_as_text, pairs_between_as_text, wildbench_as_text
from exports.models import Failure
from stats.estimate import Estimate, Undefined
from stats.judges.alt_test import CROWD, EXPERTS, SKILLED
from stats.judges.comparing import Significance
from stats.judges.levels import LEVELS

MOST_MODELS = 30


def as_text(found: ProjectComparison) -> str:
    return "\n".join(_lines(found)) + "\n"


def _lines(found: ProjectComparison) -> Iterator[str]:
    named = {"project": found.project.slug, "batch": found.batch.name if found.batch else ""}
    yield (
        _("Judges beside people in %(project)s, batch “%(batch)s”")
        if found.batch
        else _("Judges beside people in %(project)s, all batches")
    ) % named
    for judge in found.judges:
        yield ""
        yield from _judge(judge)
    if found.between or found.pairs_between:
        yield ""
        yield from heading(_("Judges against each other"), "=")
        for axis in found.between:
            yield ""
            yield from _between(axis)
        if found.pairs_between:
            yield ""
            yield from pairs_between_as_text(found.pairs_between)
    yield ""
    yield _("%(level)s %% intervals over prompts, %(n)s resamples; seed %(seed)s.") % {
        "level": f"{100 * found.interval.level:g}",
        "n": f"{found.interval.replicates:,}",
        "seed": found.seed,
    }
    yield _("They hold for these raters, these models and this judge, and for other prompts like these.")
    yield str(WHERE_EXPLAINED)


def _judge(of: JudgeComparison) -> Iterator[str]:
    prompts = [preset_of(run) for run in of.judge.runs if run.prompt]
    title = _("Judge %(name)s") % {"name": of.judge.name}
    if prompts:
        title += " · " + _("prompt %(prompts)s") % {"prompts": ", ".join(_short(one) for one in prompts)}
    yield from heading(title, "=")
    if not of.axes and not of.verdicts:
        yield _("Neither people nor this judge scored anything here.")
    for axis in of.axes:
        yield ""
        yield from _axis(axis)
    for pairs in of.verdicts:
        yield ""
        yield from pairs_as_text(pairs)
    if of.wildbench is not None:
        yield ""
        yield from wildbench_as_text(of.wildbench)


def _short(text: str, longest: int = 40) -> str:
    line = " ".join(text.split())
    return line if len(line) <= longest else f"{line[: longest - 1]}…"


def _axis(of: AxisComparison) -> Iterator[str]:
    judged, panel = of.judged, of.panel
    versions = ", ".join(str(number) for number in judged.versions)
    about = _("rubric version %(versions)s") % {"versions": versions}
    yield from heading(
        f"{judged.axis.key} · {judged.axis.label} · {judged.axis.get_kind_display()} · {about}", "-"
    )
    counts = [
        ngettext("%(n)s response that both scored", "%(n)s responses that both scored", panel.n_items)
        % {"n": f"{panel.n_items:,}"},
        ngettext("%(n)s prompt", "%(n)s prompts", panel.n_prompts) % {"n": f"{panel.n_prompts:,}"},
        ngettext("%(n)s model", "%(n)s models", panel.n_models) % {"n": f"{panel.n_models:,}"},
        ngettext("%(n)s score of people", "%(n)s scores of people", judged.n_ratings)
        % {"n": f"{judged.n_ratings:,}"},
        _("up to %(n)s of the judge for one response") % {"n": of.repeats},
    ]
    yield "  " + " · ".join(counts)
    for one in cautions(of):
        yield f"  ! {one}"
    sections = [_failures(of)]
    if panel.n_items:
        sections += [
            _correlations(of),
            _pairs(of),
            _errors(of),
            _ceiling(of),
            _alt_test(of),
            _separability(of),
            _means(of),
            _strengths(of),
            _length(of),
        ]
        if of.own_family is not None:
            sections.append(_own_family(of))
        if of.win_rates:
            sections.append(_win_rates(of))
        if any(one.more for one in of.ppi):
            sections.append(_ppi(of))
    yield from aligned(sections)


def _failures(of: AxisComparison) -> Section:
    kinds = ", ".join(f"{Failure(kind).label} {n:,}" for kind, n in of.asked.failures.items() if n)
    said = [kinds] if kinds else []
    return Section(
        _("Failures of the judge"),
        [(_("no score, share of %(n)s attempts") % {"n": f"{of.asked.n:,}"}, of.failure_rate), *said],
    )


def _correlations(of: AxisComparison) -> Section:
    section = Section(_("Correlation with people"))
    for level in LEVELS:
        found = of.panel.correlations[level]
        for name, label in words.COEFFICIENTS.items():
            section.rows.append((f"{label}, {words.LEVELS[level]}", getattr(found, name)))
        if found.dropped:
            section.rows.append(
                _("%(dropped)s of %(all)s groups have no correlation: a side is the same throughout")
                % {"dropped": found.dropped, "all": found.dropped + found.groups}
            )
    section.rows.append((_("Pearson of differences of two models, per prompt"), of.panel.pairwise_difference))
    return section


def _pairs(of: AxisComparison) -> Section:
    panel, ties = of.panel, of.panel.ties
    section = Section(_("Pairs in people’s order"))
    for level in LEVELS[:3]:
        section.rows.append((f"acc23, {words.LEVELS[level]}", panel.pairs[level].acc23))
    eps = "–" if ties.eps is None else f"{ties.eps:.3g}"
    section.rows += [
        (_("acc-eq, per prompt, epsilon %(eps)s") % {"eps": eps}, ties.acc_eq),
        (_("the same with the epsilon of the other half of the prompts"), ties.held_out),
        (_("pairs of models in the same order"), panel.pairwise_accuracy),
        (_("soft pairwise accuracy (SPA) of models"), panel.spa),
    ]
    return section


def _errors(of: AxisComparison) -> Section:
    off, kappa = of.panel.error, of.panel.kappa
    qwk = _("QWK with each rater, mean") if kappa.raters else _("QWK with single scores of people")
    return Section(
        _("Error, judge less people, in points"),
        [
            (_("bias (above 0: the judge is more lenient)"), off.bias),
            (_("mean absolute error"), off.mae),
            (_("root of the mean squared error"), off.rmse),
            (_("slope of judge on people (below 1: compressed)"), off.slope),
            (_("intercept"), off.intercept),
            (_("concordance (Lin)"), off.concordance),
            (qwk, kappa.headline),
            (_("QWK of two raters with each other, mean"), kappa.people),
        ],
    )


def _ceiling(of: AxisComparison) -> Section:
    found = of.panel.ceiling
    return Section(
        _("What people reach among themselves"),
        [
            (_("ordinal alpha among people"), found.alpha.people),
            (_("ordinal alpha of the judge with one person, mean"), found.alpha.judge),
            (_("a person with the mean of the rest (Pearson)"), found.rest.people),
            (_("the judge with the mean of the same rest"), found.rest.judge),
            (_("the judge less the person"), found.rest.difference),
            (_("reliability of people’s mean, ICC(1,k)"), found.reliability),
            (_("the judge with people’s mean, corrected for its noise"), found.corrected),
        ],
    )


def _alt_test(of: AxisComparison) -> Section:
    test = of.alt_test
    section = Section(_("Alternative annotator test"))
    epsilon = f"{test.setting.epsilon:g}"
    if isinstance(test.winning_rate, Undefined):
        label = _("winning rate at epsilon %(epsilon)s") % {"epsilon": epsilon}
        section.rows.append((label, test.winning_rate))
    section.rows.append((_("advantage probability"), test.advantage))
    if isinstance(test.winning_rate, Estimate):
        curve = {point.epsilon: point.winning_rate for point in test.curve}
        at = [
            f"{epsilon:g}: {rate.value:.2f}"
            for epsilon in (0.0, 0.05, CROWD, SKILLED, EXPERTS, 0.25, 0.3)
            if isinstance(rate := curve.get(epsilon), Estimate)
        ]
        section.rows.append(_("winning rate by epsilon: %(curve)s") % {"curve": "  ".join(at)})
        section.rows.append(
            _("%(n)s annotators; %(left_out)s with fewer than %(least)s responses left out")
            % {"n": len(test.annotators), "left_out": test.left_out, "least": test.setting.min_items}
        )
        verdict = (
            _("At epsilon %(epsilon)s the judge beats %(share)s of the annotators: passed.")
            if test.passed
            else _("At epsilon %(epsilon)s the judge beats %(share)s of the annotators: not passed.")
        )
        share = f"{100 * test.winning_rate.value:.0f} %"
        section.rows.append(verdict % {"epsilon": epsilon, "share": share})
    elif test.left_out:
        section.rows.append(
            _("all %(n)s annotators have fewer than %(least)s responses that others rated, too")
            % {"n": test.left_out, "least": test.setting.min_items}
        )
    return section


def _separability(of: AxisComparison) -> Section:
    found = of.separability
    return Section(
        _("Telling models apart with confidence (%(n)s pairs)") % {"n": found.pairs},
        [
            (_("pairs that people separate"), found.human),
            (_("pairs that the judge separates"), found.judge),
            (_("people, by intervals of differences"), found.human_paired),
            (_("the judge, by intervals of differences"), found.judge_paired),
            (_("agreement with confidence, version B"), found.agreement),
            (_("version A"), found.agreement_a),
            (_("version C"), found.agreement_c),
            _(
                "A: 1 both are sure and agree, −1 both are sure and disagree, 0 otherwise; mean over all pairs."
            ),
            _("B: the same points, over the pairs that people separate."),
            _("C: 1 they agree, ½ the judge is not sure, 0 they disagree; over the same pairs as B."),
            (_("Brier score of pairs (0: sure and right)"), found.brier),
        ],
    )


def _means(of: AxisComparison) -> Section:
    section = Section(_("Models’ means, people and the judge"))
    for mean in of.means[:MOST_MODELS]:
        section.rows += [
            (_("%(model)s, people") % {"model": mean.model}, mean.human),
            (_("%(model)s, judge") % {"model": mean.model}, mean.judge),
        ]
    if len(of.means) > MOST_MODELS:
        section.rows.append(_("… and %(n)s more.") % {"n": len(of.means) - MOST_MODELS})
    return section


def _strengths(of: AxisComparison) -> Section:
    section = Section(_("Bradley–Terry strengths from scores, mean 0"))
    sides = [(_("people"), of.human_strengths.strengths), (_("judge"), of.judge_strengths.strengths)]
    for who, strengths in sides:
        reasons = {one.reason for one in strengths if isinstance(one, Undefined)}
        if len(reasons) == 1 and all(isinstance(one, Undefined) for one in strengths):
            n = max(one.n for one in strengths)
            section.rows.append(
                (
                    _("%(model)s, %(who)s") % {"model": _("all models"), "who": who},
                    Undefined(reasons.pop(), n),
                )
            )
            continue
        for model, one in list(zip(of.judged.models, strengths, strict=True))[:MOST_MODELS]:
            section.rows.append((_("%(model)s, %(who)s") % {"model": model, "who": who}, one))
    return section


def _length(of: AxisComparison) -> Section:
    section = Section(
        _("Length and style, at equal human score"),
        [
            (_("points that the judge gives for twice the length"), of.length.judge.per_doubling),
            (_("points that a person gives, against the rest"), of.length.person.per_doubling),
            (_("the judge beyond a person, against the same rest"), of.length.excess),
            (_("partial correlation of the judge with length"), of.length.judge.partial_correlation),
            (_("twice the length, style held fixed"), of.style.judge.per_doubling),
        ],
    )
    for name, label in words.MARKS.items():
        if name in of.style.judge.coefficients:
            section.rows.append((str(label), of.style.judge.coefficients[name]))
    return section


def _own_family(of: AxisComparison) -> Section:
    found = of.own_family
    assert found is not None
    return Section(
        _("Own family: %(models)s") % {"models": ", ".join(of.own) or "–"},
        [
            (_("above the other models, by the judge"), found.judge),
            (_("above the other models, by people"), found.people),
            (_("the judge’s preference"), found.excess),
            (_("at equal human score"), found.at_equal_scores),
        ],
    )


def _win_rates(of: AxisComparison) -> Section:
    section = Section(_("Win rates against %(model)s") % {"model": of.win_rates[0].baseline})
    for one in of.win_rates:
        for who, rate in ((_("people"), one.human), (_("judge"), one.judge)):
            named = {"model": one.model, "who": who}
            section.rows += [
                (_("%(model)s, %(who)s") % named, rate.plain),
                (_("%(model)s, %(who)s, length taken out") % named, rate.controlled),
            ]
    return section


def _ppi(of: AxisComparison) -> Section:
    section = Section(
        _("Means over all that the judge scored, with people’s scores of some (prediction-powered)")
    )
    for model, one in list(zip(of.judged.models, of.ppi, strict=True))[:MOST_MODELS]:
        section.rows += [
            (_("%(model)s, people alone") % {"model": model}, one.people),
            (_("%(model)s, people and judge") % {"model": model}, one.tuned),
            (_("%(model)s, judge where people scored less where not") % {"model": model}, one.sample),
        ]
    section.rows.append(
        _("Right only if people’s prompts are a random sample of all: the last line is near 0 then.")
    )
    return section


def _between(of: AxisBetween) -> Iterator[str]:
    yield from heading(of.axis, "-")
    responses = ngettext(
        "%(n)s response that people and all judges scored",
        "%(n)s responses that people and all judges scored",
        of.n_items,
    )
    prompts = ngettext("%(n)s prompt", "%(n)s prompts", of.n_prompts)
    counts = [responses % {"n": f"{of.n_items:,}"}, prompts % {"n": f"{of.n_prompts:,}"}]
    yield "  " + " · ".join(counts)
    sections = []
    for pair in of.pairs:
        section = Section(_("%(first)s less %(second)s") % {"first": pair.first, "second": pair.second})
        for one in of.comparison.differences:
            if (one.first, one.second) == (pair.first, pair.second):
                label = str(words.BETWEEN.get(one.figure, one.figure))
                if one.adjusted_p is not None:
                    label += f" (p {_p(one.adjusted_p)})"
                section.rows.append((label, one.difference))
        for level, test in pair.perm_both.items():
            section.rows.append(
                _("PERM-BOTH, first better, Pearson %(level)s: %(outcome)s")
                % {"level": words.LEVELS[level], "outcome": _outcome(test)}
            )
        section.rows.append(
            _("Williams, first better (finds too much): %(outcome)s") % {"outcome": _outcome(pair.williams)}
        )
        sections.append(section)
    yield from aligned(sections)
    for figure, judges in of.comparison.top.items():
        yield "  " + _("%(figure)s, beaten by no other: %(judges)s") % {
            "figure": words.BETWEEN.get(figure, figure),
            "judges": ", ".join(judges) or "–",
        }
    yield "  " + _("p is adjusted over the pairs and figures of the axis (Benjamini–Hochberg).")


def _outcome(test: Significance | Undefined) -> str:
    if isinstance(test, Undefined):
        return figure_in_words(test)
    return f"p {_p(test.p)}, n = {test.n:,}"


def _p(p: float) -> str:
    return "< 0.001" if p < 0.001 else f"= {p:.3f}"
