"""Addresses of what leaves a project."""

from __future__ import annotations

from django.urls import path

from exports import token_views, views
from exports.bundles import views as bundle_views

app_name = "exports"
urlpatterns = [
    path("account/tokens/", token_views.tokens, name="tokens"),
    path("account/tokens/<int:pk>/revoke/", token_views.revoke, name="revoke_token"),
    path("account/tokens/api/", token_views.api_docs, name="api_docs"),
    path("p/<slug:project_slug>/download/", views.download, name="download"),
    path("p/<slug:project_slug>/download/file/", views.download_file, name="download_file"),
    path("p/<slug:project_slug>/judging/", bundle_views.judging, name="prepare_judging"),
]
