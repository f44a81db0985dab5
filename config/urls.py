from __future__ import annotations

from allauth.account.decorators import secure_admin_login
from django.conf import settings
from django.contrib import admin
from django.http import HttpRequest, HttpResponse, HttpResponseBadRequest
from django.urls import URLPattern, URLResolver, include, path
from django.utils.translation import gettext as _
from django.views.generic import TemplateView

# Through the one login page: with its limit of attempts and the second step.
admin.site.login = secure_admin_login(admin.site.login)  # type: ignore[method-assign]

urlpatterns: list[URLPattern | URLResolver] = [
    path("account/", include("projects.accounts.urls")),
    path("account/", include("allauth.urls")),
    path("admin/", admin.site.urls),
    path("api/", include("config.api_urls")),
    path("", include("projects.urls")),
    path("", include("annotation.urls")),
    path("", include("exports.urls")),
]
if settings.DEBUG:
    urlpatterns.append(path("styleguide/", TemplateView.as_view(template_name="styleguide.html")))


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """In place of Django's, which reads the form again: if that is what was wrong, there would be no answer at all."""
    return HttpResponseBadRequest(
        _("This request could not be read."), content_type="text/plain; charset=utf-8"
    )


handler400 = bad_request
