"""Addresses of what is asked, of whom, and how it is judged. A project's pages stand under p/<slug>/."""

from __future__ import annotations

from django.urls import path

from projects.views import bundles, content, home, load, overview, people, rubric

app_name = "projects"
urlpatterns = [
    path("", home.home, name="home"),
    path("projects/new/", home.new, name="new"),
    path("p/<slug:project_slug>/", overview.project, name="project"),
    path("p/<slug:project_slug>/people/", people.people, name="people"),
    path("p/<slug:project_slug>/people/invite/", people.invite, name="invite"),
    path("p/<slug:project_slug>/people/invitations/<int:pk>/revoke/", people.revoke, name="revoke"),
    path("p/<slug:project_slug>/people/<str:pseudonym>/", people.person, name="person"),
    path("p/<slug:project_slug>/people/<str:pseudonym>/activity/", people.set_active, name="set_active"),
    path("p/<slug:project_slug>/rubric/", rubric.rubric, name="rubric"),
    path("p/<slug:project_slug>/rubric/new/", rubric.new, name="new_rubric"),
    path("p/<slug:project_slug>/rubric/<int:number>/", rubric.rubric, name="rubric_version"),
    path("p/<slug:project_slug>/load/", load.load, name="load"),
    path("p/<slug:project_slug>/load/<uuid:key>/", load.load_run, name="load_run"),
    path("p/<slug:project_slug>/load/<uuid:key>/check/", load.load_check, name="load_check"),
    path("p/<slug:project_slug>/load/<uuid:key>/confirm/", load.load_confirm, name="load_confirm"),
    path("p/<slug:project_slug>/load/<uuid:key>/stop/", load.load_stop, name="load_stop"),
    path("p/<slug:project_slug>/load/<uuid:key>/discard/", load.load_discard, name="load_discard"),
    path("p/<slug:project_slug>/prompts/", content.prompts, name="prompts"),
    path("p/<slug:project_slug>/prompts/prepare/", bundles.generation, name="prepare_generation"),
    path("p/<slug:project_slug>/prompts/<int:pk>/", content.prompt, name="prompt"),
]
