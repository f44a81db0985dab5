from __future__ import annotations

from typing import Any

from allauth.account import forms as allauth_forms
from django import forms
from django.conf import settings
from django.contrib.auth.forms import UserCreationForm
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from projects.models import User


def _only_theirs(email: str, user: User) -> str:
    """Refuse an address that somebody else logs in with."""
    if email and User.objects.exclude(pk=user.pk).filter(email__iexact=email).exists():
        raise ValidationError(_("Another account has this address."))
    return email


class LoginForm(allauth_forms.LoginForm):  # type: ignore[misc]
    """With a label that says what to enter: a placeholder goes away with the first letter."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["login"].label = _("User name or email")
        self.fields["login"].widget.attrs["autocomplete"] = "username"
        self.fields["password"].help_text = ""  # the link stands beside the button
        for field in self.fields.values():
            field.widget.attrs.pop("placeholder", None)


class NewAccountForm(UserCreationForm[User]):
    """Name and password of somebody who was invited."""

    email = forms.EmailField(
        label=_("Email"), required=False, help_text=_("Only for resetting a forgotten password.")
    )

    class Meta:
        model = User
        fields = ("username", "email")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if not settings.EMAIL:
            del self.fields["email"]
        self.fields["username"].help_text = _(
            "Letters, digits and @ . + - _ only. Other raters never see it."
        )

    def clean_email(self) -> str:
        return _only_theirs(self.cleaned_data["email"], self.instance)


class PreferencesForm(forms.ModelForm[User]):
    class Meta:
        model = User
        fields = ("language", "theme")
        labels = {"language": _("Language"), "theme": _("Colours")}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        language = self.fields["language"]
        assert isinstance(language, forms.TypedChoiceField)
        language.choices = [("", _("as the browser asks")), *settings.LANGUAGES]


class EmailForm(forms.ModelForm[User]):
    email = forms.EmailField(
        label=_("Email"), required=False, help_text=_("Only for resetting a forgotten password.")
    )

    class Meta:
        model = User
        fields = ("email",)

    def clean_email(self) -> str:
        return _only_theirs(self.cleaned_data["email"], self.instance)
