"""Our pages about accounts; django-allauth's, which stand under the same folder, come after them."""

from __future__ import annotations

from django.urls import path

from projects.accounts import views

urlpatterns = [
    path("invitation/<str:token>/", views.invitation, name="account_invitation"),
    path("preferences/", views.preferences, name="account_preferences"),
    path("email/", views.email, name="account_email"),
    path("password/reset/", views.reset_password, name="account_reset_password"),
    path("language/", views.set_language, name="set_language"),
]
