"""What a rater sends."""

from __future__ import annotations

import uuid
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from annotation.models import NAReason, Score
from annotation.scales import CANNOT_JUDGE, Answered, scales_of, written
from annotation.services.errors import InvalidScores
from annotation.services.rubric import Given

LONGEST_COMMENT = 10_000


class RatingForm(forms.Form):
    """Scores, comment and flag of one item.

    It takes whatever axes were sent, `axis:<key>` and `reason:<key>`, and asks the database nothing; whether they
    are those of the rubric is for the service to say (`show` puts that into words).
    """

    submission = forms.UUIDField(required=False, widget=forms.HiddenInput)
    seconds = forms.FloatField(required=False, min_value=0, max_value=24 * 60 * 60, widget=forms.HiddenInput)
    comment = forms.CharField(required=False, max_length=LONGEST_COMMENT, label=_("Comment"))
    flagged = forms.BooleanField(required=False, label=_("Flag for the coordinator"))

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        # The page made the id and measured the time; where it got either wrong, the rating is worth more.
        for name in ("submission", "seconds"):
            self.errors.pop(name, None)
            cleaned.setdefault(name, None)
        cleaned["submission"] = cleaned["submission"] or uuid.uuid4()
        return cleaned

    def scores(self) -> Given:
        """What was given by key of the axis; what is neither a number nor a known reason fits no scale."""
        return {
            name.removeprefix("axis:"): self._read(name.removeprefix("axis:"), str(value))
            for name, value in self.data.items()
            if name.startswith("axis:") and value != ""
        }

    def _read(self, key: str, sent: str) -> float | str:
        if sent == CANNOT_JUDGE:
            return str(self.data.get(f"reason:{key}", ""))
        try:
            return float(sent)
        except ValueError:
            return float("nan")

    def earlier(self) -> list[uuid.UUID]:
        """Ids of submits of this same page that it never heard back of."""
        found = []
        for word in str(self.data.get("earlier", "")).split()[:20]:
            try:
                found.append(uuid.UUID(word))
            except ValueError:
                continue
        return found

    def answered(self, rubric_id: int, problems: InvalidScores | None = None) -> list[Answered]:
        """The scales as they were sent, with what is wrong with them."""
        words = problems.messages() if problems else {}
        answered = []
        for scale in scales_of(rubric_id):
            chosen = str(self.data.get(f"axis:{scale.key}", ""))
            error = words.get(scale.key, "")
            if error and chosen == CANNOT_JUDGE and scale.allow_na:
                error = str(_("say why you cannot judge"))
            reason = str(self.data.get(f"reason:{scale.key}", ""))
            answered.append(Answered(scale, chosen=chosen, reason=reason, error=error))
        return answered


def as_given(rubric_id: int, scores: list[Score]) -> list[Answered]:
    """The scales as they stand in a submitted rating."""
    by_axis = {score.axis.key: score for score in scores}
    answered = []
    for scale in scales_of(rubric_id):
        score = by_axis.get(scale.key)
        if score is None:
            answered.append(Answered(scale))
        elif score.value is None:
            answered.append(
                Answered(scale, chosen=CANNOT_JUDGE, reason=score.na_reason or NAReason.UNSPECIFIED)
            )
        else:
            answered.append(Answered(scale, chosen=written(score.value)))
    return answered
