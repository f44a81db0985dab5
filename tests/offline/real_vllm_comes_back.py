"""What `make test-vllm` made with real vLLM, into a project: the last part of it.

Not collected by the suite: it needs the folder of such a run, which REAL_VLLM names.
"""

import os
from pathlib import Path

import pytest

from exports.models import JudgeScore
from offline.bundle import read_items
from projects.loading import load
from projects.models import Response
from tests.factories import create_model, create_project, create_prompt, create_response
from tests.offline.real_vllm import ANSWER, QUESTIONS, SAMPLES, SHORTER

pytestmark = pytest.mark.django_db
RAN = Path(os.environ.get("REAL_VLLM", "var/vllm-test"))


@pytest.fixture
def project():
    project = create_project(slug="study", axes=("accuracy", "fluency"))
    for number, text in enumerate(QUESTIONS):
        turns = [{"role": "user", "content": one} for one in (text, SHORTER)]
        create_prompt(project, key=f"p{number}", turns=turns)
    return project


@pytest.mark.parametrize("name", ["in-process", "served", "batch"])
def test_noise_comes_back_whole_and_a_second_time_adds_nothing(project, name):
    report = load(project=project, files=[RAN / name])

    assert report.created["responses"] == Response.objects.count() == len(QUESTIONS) * SAMPLES
    assert all(len(response.turns) == 2 for response in Response.objects.all())
    generation = Response.objects.get(prompt__key="p0", sample=0).generation
    assert set(generation["finish_reason"]) <= {"stop", "length"}
    assert len({turn["seed"] for turn in generation["turns"]}) == 2
    assert load(project=project, files=[RAN / name]).adds_nothing


@pytest.mark.parametrize("name", ["judged-regex", "judged-json"])
def test_judges_scores_come_back(project, name):
    model = create_model(project, "m")
    for prompt in project.prompts.all():
        create_response(project, prompt=prompt, model=model, turns=[ANSWER, ANSWER])
    load(project=project, files=[RAN / name])

    scores = JudgeScore.objects.filter(failure=None)
    assert scores.count() == 2 * len(list(read_items(RAN / name)))
    assert {score.value for score in scores} <= {1, 2, 3, 4, 5}
