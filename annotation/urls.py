"""Addresses of what raters do, and of handing it out. They stand under p/<slug>/, as all pages of a project."""

from __future__ import annotations

from django.urls import path

from annotation.views import batches, batches_changing, explanations, monitor, raters, rating

app_name = "annotation"
urlpatterns = [
    path("help/numbers/", explanations.numbers, name="numbers"),
    path("p/<slug:project_slug>/rate/", rating.rate, name="rate"),
    path("p/<slug:project_slug>/rate/<uuid:key>/", rating.assignment, name="assignment"),
    path("p/<slug:project_slug>/rate/<uuid:key>/submit/", rating.submit, name="submit"),
    path("p/<slug:project_slug>/rate/<uuid:key>/skip/", rating.skip_item, name="skip"),
    path("p/<slug:project_slug>/rate/<uuid:key>/give-back/", rating.give_back_item, name="give_back"),
    path("p/<slug:project_slug>/rate/<uuid:key>/renew/", rating.renew_lease, name="renew"),
    path("p/<slug:project_slug>/my-ratings/", rating.my_ratings, name="my_ratings"),
    path("p/<slug:project_slug>/batches/", batches.batches, name="batches"),
    path("p/<slug:project_slug>/batches/new/", batches.new_batch, name="new_batch"),
    path("p/<slug:project_slug>/batches/new/preview/", batches.preview_batch, name="preview_batch"),
    path("p/<slug:project_slug>/batches/<int:pk>/", batches.batch, name="batch"),
    path("p/<slug:project_slug>/batches/<int:pk>/remarks/", batches.remarks, name="batch_remarks"),
    path("p/<slug:project_slug>/batches/<int:pk>/conflicts/", batches.conflicts, name="batch_conflicts"),
    path("p/<slug:project_slug>/batches/<int:pk>/move/", batches_changing.move_batch, name="move_batch"),
    path(
        "p/<slug:project_slug>/batches/<int:pk>/terms/",
        batches_changing.change_batch_terms,
        name="batch_terms",
    ),
    path("p/<slug:project_slug>/batches/<int:pk>/extend/", batches_changing.extend, name="extend_lease"),
    path(
        "p/<slug:project_slug>/batches/<int:pk>/withdraw/<str:pseudonym>/",
        batches_changing.withdraw_from_batch,
        name="withdraw_rater",
    ),
    path("p/<slug:project_slug>/monitor/", monitor.monitor, name="monitor"),
    path("p/<slug:project_slug>/monitor/alpha.json", monitor.alpha_data, name="monitor_data"),
    path("p/<slug:project_slug>/monitor/alpha.<str:kind>", monitor.alpha_picture, name="monitor_picture"),
    path("p/<slug:project_slug>/raters/", raters.raters_page, name="raters"),
    path("p/<slug:project_slug>/batches/<int:pk>/raters/", raters.raters_page, name="batch_raters"),
    path("p/<slug:project_slug>/batches/<int:pk>/monitor/", monitor.monitor, name="batch_monitor"),
    path(
        "p/<slug:project_slug>/batches/<int:pk>/monitor/alpha.json",
        monitor.alpha_data,
        name="batch_monitor_data",
    ),
    path(
        "p/<slug:project_slug>/batches/<int:pk>/monitor/alpha.<str:kind>",
        monitor.alpha_picture,
        name="batch_monitor_picture",
    ),
]
