"""Addresses of the API. Every room says what it offers in its `api`."""

from __future__ import annotations

from django.urls import path
from drf_spectacular.views import SpectacularAPIView

from annotation import api as annotation
from projects import api as projects

app_name = "api"
_project = "projects/<slug:project_slug>/"
_seat = f"{_project}seats/<uuid:key>/"
urlpatterns = [
    path("schema/", SpectacularAPIView.as_view(), name="schema"),
    path("projects/", projects.ProjectList.as_view(), name="projects"),
    path(_project, projects.ProjectDetail.as_view(), name="project"),
    path(f"{_project}prompts/", projects.PromptList.as_view(), name="prompts"),
    path(f"{_project}responses/", projects.ResponseList.as_view(), name="responses"),
    path(f"{_project}batches/", annotation.BatchList.as_view(), name="batches"),
    path(f"{_project}ratings/", annotation.RatingList.as_view(), name="ratings"),
    path(f"{_project}next/", annotation.NextSeat.as_view(), name="next"),
    path(_seat, annotation.SeatDetail.as_view(), name="seat"),
    path(f"{_seat}submit/", annotation.SubmitRating.as_view(), name="submit"),
    path(f"{_seat}change/", annotation.ChangeRating.as_view(), name="change"),
    path(f"{_seat}skip/", annotation.Skip.as_view(), name="skip"),
    path(f"{_seat}give-back/", annotation.GiveBack.as_view(), name="give_back"),
    path(f"{_seat}renew/", annotation.Renew.as_view(), name="renew"),
]
