"""What each number means: every figure leads to its words, in both languages, and the examples are true."""

import re

import numpy as np
import pytest
from django.urls import reverse
from scipy import stats as scipy_stats
from sklearn.metrics import cohen_kappa_score

from annotation.explanations import EXAMPLE, LANGUAGES, explanations
from annotation.figures import figures, number
from annotation.monitoring import snapshot
from projects.markdown import render
from stats.agreement import ITEM_JACKKNIFE, PatternHistogram, panel
from tests.annotation.test_monitor_page import VARIED, rated
from tests.factories import create_batch, create_member, create_project, create_response

PAGE = "/help/numbers/"


@pytest.fixture
def project(db):
    return create_project()


@pytest.fixture
def client(client, project):
    client.force_login(create_member(project, is_coordinator=True, is_researcher=True).user)
    return client


def page_in(client, language):
    client.cookies["hyotei_language"] = language
    client.post(reverse("set_language"), {"language": language})
    return client.get(PAGE)


def ids(text):
    return set(re.findall(r'\bid="([^"]+)"', text))


def links(text):
    """Where a page’s figures lead: the words of each link, and its anchor."""
    found = re.findall(rf'<a[^>]*href="{PAGE}#([^"]*)"[^>]*>(.*?)</a>', text, re.S)
    return {(re.sub("<[^>]+>", "", words).strip(), anchor) for anchor, words in found}


# The words


def test_both_languages_say_the_same_things_in_the_same_order():
    english, japanese = (explanations(language) for language in LANGUAGES)
    for ours, theirs in zip(english.chapters, japanese.chapters, strict=True):
        assert ours.key == theirs.key
        for one, other in zip(ours.entries, theirs.entries, strict=True):
            assert one.key == other.key
            assert (bool(one.formula), bool(one.source)) == (bool(other.formula), bool(other.source)), one.key


@pytest.mark.parametrize("language", LANGUAGES)
def test_each_entry_says_what_it_is_how_to_read_it_and_when_not_to(language):
    for chapter in explanations(language).chapters:
        for entry in chapter.entries:
            for words in [entry.name, entry.says, entry.example, entry.read, entry.beware]:
                assert words.strip(), entry.key
            assert re.search(r"\d", entry.example) or entry.key == "conflicts", f"{entry.key}: no number"
            english = not re.search("[\u3041-\u30f6]", entry.says)
            assert english == (language == "en"), entry.key


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_formula_can_be_drawn(language):
    for chapter in explanations(language).chapters:
        for entry in chapter.entries:
            drawn = render(entry.formula)
            assert "$" not in drawn, entry.key
            assert "\\" not in drawn, entry.key
            assert 'class="source"' not in drawn, entry.key


def test_an_unknown_language_gets_the_english_words():
    assert explanations("fr") == explanations("en")


def test_no_two_entries_have_the_same_anchor():
    keys = [
        key
        for chapter in explanations("en").chapters
        for key in [chapter.key, *[e.key for e in chapter.entries]]
    ]
    assert len(keys) == len(set(keys))


# The page


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_page_has_every_entry_and_its_contents_lead_to_them(client, language):
    text = page_in(client, language).text
    assert f'<html lang="{language}"' in text
    there = ids(text)
    for chapter in explanations(language).chapters:
        for entry in chapter.entries:
            assert entry.key in there
            assert f'href="#{entry.key}"' in text
    assert set(re.findall(r'href="#([^"]+)"', text)) <= there
    assert len(re.findall(r'\bid="', text)) == len(there), "an id stands twice"


def test_the_contents_stand_above_everything_in_groups(client):
    text = page_in(client, "en").text
    contents = re.search(r'<nav [^>]*id="contents".*?</nav>', text, re.S)[0]
    assert text.index(contents) < text.index('id="example"')
    for group, chapter in zip(
        re.split(r'(?=<a href="#[^"]+">[^<]+</a>\s*<ol)', contents)[1:],
        explanations("en").chapters,
        strict=True,
    ):
        keys = [chapter.key, *(entry.key for entry in chapter.entries)]
        assert re.findall('href="#([^"]+)"', group) == keys


def test_whoever_is_logged_in_may_read_it_and_nobody_else(client, project, django_assert_max_num_queries):
    client.force_login(create_member(project).user)  # a rater
    client.get(PAGE)
    with django_assert_max_num_queries(2):  # session, user
        assert client.get(PAGE).status_code == 200
    assert client.post(PAGE).status_code == 405
    client.logout()
    assert client.get(PAGE).status_code == 302


# Links from each figure


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("of", ["project", "batch"])
def test_each_figure_of_the_monitor_leads_to_its_words(client, project, language, of):
    batch = rated(project, [*VARIED, (3, None)])
    there = ids(page_in(client, language).text)
    address = (
        reverse("annotation:monitor", args=[project.slug])
        if of == "project"
        else reverse("annotation:batch_monitor", args=[project.slug, batch.pk])
    )
    response = client.get(address)
    assert f'<html lang="{language}"' in response.text
    found = links(response.text)
    assert {anchor for _words, anchor in found} <= there

    for axis in response.context["axes"]:
        for figure in [axis.alpha, axis.exact, axis.within_one]:
            assert figure.about in {anchor for _words, anchor in found}
        for figure in axis.more:
            assert (figure.name, figure.about) in found
        if axis.caution:
            assert axis.about_caution in {anchor for _words, anchor in found}
    # Every column of numbers in the table of agreement, and every one of its further figures.
    table = response.text.split('<table class="agreement">')[1].split("</thead>")[0]
    columns = re.findall(r'<th scope="col"[^>]*>(.*?)</th>', table, re.S)[1:]
    assert all(PAGE in column for column in columns)
    further = response.text.split('id="more-figures"')[1].split("</details>")[0]
    figures_ = re.findall(r'<th scope="row">(.*?)</th>(?=<td class="num)', further, re.S)
    scores = [row for row in figures_ if re.match(r"\d", row)]
    assert all(PAGE in row for row in figures_ if row not in scores)
    tiles = re.findall(r"<dt>(.*?)</dt>", response.text.split('class="tiles')[1].split("</dl>")[0], re.S)
    assert tiles
    assert all(PAGE in tile for tile in tiles)


def test_figures_of_a_batch_and_of_the_overview_lead_there_too(client, project):
    batch = rated(project, VARIED)
    there = ids(client.get(PAGE).text)
    for address in [
        reverse("annotation:batch", args=[project.slug, batch.pk]),
        reverse("annotation:batches", args=[project.slug]),
        reverse("projects:project", args=[project.slug]),
    ]:
        found = {anchor for _words, anchor in links(client.get(address).text)}
        assert found, address
        assert found <= there
    batch_page = client.get(reverse("annotation:batch", args=[project.slug, batch.pk])).text
    design = re.findall(r"<dt>(.*?)</dt>", batch_page.split('id="design"')[1].split("</section>")[0], re.S)
    assert len(design) >= 5
    assert all(PAGE in name for name in design)


def test_raters_are_not_sent_there(client, project):
    create_response(project)
    create_batch(project)
    client.force_login(create_member(project).user)
    for name in ["rate", "my_ratings"]:
        assert PAGE not in client.get(reverse(f"annotation:{name}", args=[project.slug])).text


def test_the_command_names_the_page_and_the_document(project, capsys):
    from django.core.management import call_command

    rated(project, VARIED)
    call_command("agreement", project.slug)
    last = capsys.readouterr().out.strip().splitlines()[-1]
    assert "docs/methods.md" in last
    assert PAGE in last


def test_every_figure_on_the_monitor_has_an_entry(project):
    rated(project, VARIED)
    keys = {entry.key for chapter in explanations("en").chapters for entry in chapter.entries}
    for axis in figures(snapshot(project=project).agreement):
        assert {figure.about for figure in [axis.alpha, axis.exact, axis.within_one, *axis.more]} <= keys
        assert axis.about_caution in keys | {""}


# The examples are computed


def said(key, *figures_):
    """The example of this entry, in each language, has these figures."""
    for language in LANGUAGES:
        example = explanations(language).entry(key).example
        for shown in figures_:
            assert re.search(rf"(?<![\d.]){re.escape(shown)}(?!\d)", example), f"{language} {key}: no {shown}"


def agreement_of(first, second):
    item = np.repeat(np.arange(len(first)), 2)
    rank = np.column_stack([first, second]).ravel()
    return panel(
        PatternHistogram.from_ratings(values=[1, 2, 3, 4, 5], item=item, rank=rank), interval=ITEM_JACKKNIFE
    )


def short(value):
    return f"{value:.2f}".removeprefix("0")


def test_the_examples_of_agreement_are_what_the_program_computes():
    of = agreement_of(EXAMPLE["A"], EXAMPLE["B"])
    ordinal = of.alpha["ordinal"]
    said("alpha", number(ordinal.value))
    said("interval", number(ordinal.value), f"{number(ordinal.low)} – {number(ordinal.high)}")
    said("few-items", number(ordinal.value), f"{number(ordinal.low)} – {number(ordinal.high)}")
    said("alpha-metrics", *(number(of.alpha[metric].value) for metric in ["nominal", "ordinal", "interval"]))
    said("exact", f"{100 * of.exact.value:.0f} %")
    said("within-one", f"{100 * of.within_one.value:.0f} %")
    said("mean-abs-difference", number(of.mean_abs_difference.value))
    said("ac2", number(of.ac2.value))
    said("ac1", number(of.ac1.value), number(of.ac2.value))
    said("brennan-prediger", number(of.brennan_prediger.value))
    said("icc-1-1", number(of.icc_1_1.value))
    said("icc-1-k", number(of.icc_1_1.value), number(of.icc_1_k.value), ".57", ".67")


def test_the_example_of_little_variation_is_what_the_program_computes():
    of = agreement_of([5] * 95 + [4] * 5, [5] * 100)
    assert of.little_variation
    said("little-variation", f"{100 * of.exact.value:.0f} %", number(of.ac2.value))
    for key in ["little-variation", "ac2"]:
        for language in LANGUAGES:
            assert number(of.alpha["ordinal"].value) in explanations(language).entry(key).example


def test_the_example_of_cannot_judge_is_what_the_program_computes():
    from stats.agreement import NA

    item = np.repeat(np.arange(11), 2)
    rank = np.column_stack([(*EXAMPLE["A"], NA), (*EXAMPLE["B"], 3)]).ravel()
    of = panel(PatternHistogram.from_ratings(values=[1, 2, 3, 4, 5], item=item, rank=rank))
    said("na-rate", f"{100 * of.na_rate:.1f} %")
    said("na-exact", f"{100 * of.na_exact.value:.0f} %")
    said("na-alpha", number(of.na_alpha.value), f"{100 * of.na_exact.value:.0f} %")


def test_the_examples_of_raters_and_judges_are_true():
    first, second, judge = (np.array(EXAMPLE[who]) for who in ["A", "B", "judge"])
    people = (first + second) / 2
    apart = judge - people
    shares = np.unique(first, return_counts=True)[1] / len(first)
    said("entropy", number(-(shares * np.log2(shares)).sum()))
    said("rest-correlation", short(np.corrcoef(first, second)[0, 1]))
    pearson = scipy_stats.pearsonr(judge, people).statistic
    said(
        "correlation",
        short(pearson),
        short(scipy_stats.spearmanr(judge, people).statistic),
        short(scipy_stats.kendalltau(judge, people).statistic),
    )
    said("bias", number(apart.mean()))
    said("error", number(np.abs(apart).mean()), number(np.sqrt((apart**2).mean())))
    kappas = [
        cohen_kappa_score(judge, person, weights="quadratic", labels=[1, 2, 3, 4, 5])
        for person in (first, second)
    ]
    said("qwk", *(short(kappa) for kappa in kappas), short(np.mean(kappas)))
    one, other = np.triu_indices(10, 1)
    same = np.sign(judge[one] - judge[other]) == np.sign(people[one] - people[other])
    said("acc-eq", str(len(one)), str(same.sum()), f"{100 * same.mean():.0f} %")
    said(
        "levels",
        *(f"{scores[half].mean():.1f}" for scores in (people, judge) for half in (slice(5), slice(5, 10))),
    )
    said(
        "ceiling",
        *(short(np.corrcoef(*pair)[0, 1]) for pair in [(first, second), (judge, first), (judge, second)]),
    )
    corrected = pearson / np.sqrt(agreement_of(first, second).icc_1_k.value)
    for language in LANGUAGES:
        assert short(corrected) in explanations(language).entry("ceiling").read
