"""Addresses of what leaves a project."""

from __future__ import annotations

from django.urls import path

from exports import views

app_name = "exports"
urlpatterns = [
    path("p/<slug:project_slug>/download/", views.download, name="download"),
    path("p/<slug:project_slug>/download/file/", views.download_file, name="download_file"),
]
