"""Rating over the API, through the very services of the pages: blind, one item after the other."""

from __future__ import annotations

import math
import uuid
from typing import Any

from django.db.models import QuerySet
from django.http import Http404
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import OpenApiResponse, extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from annotation.conversation import conversation
from annotation.forms import LONGEST_COMMENT
from annotation.models import Assignment, Batch, NAReason, Submission
from annotation.scales import REASONS
from annotation.services import (
    axes_of,
    change,
    claim_next,
    give_back,
    renew,
    skip,
    submit,
    submit_and_claim_next,
)
from annotation.services.claiming import plain
from projects.api import reader
from projects.models import Axis, Member

#: The seat with all that is shown of it, in one query.
_SHOWN = ("batch__project", "batch__rubric", "item__prompt", "item__response")


# What a rater is shown


class BilingualSerializer(serializers.Serializer[Any]):
    ja = serializers.CharField(allow_blank=True)
    en = serializers.CharField(allow_blank=True)


class SaidSerializer(serializers.Serializer[Any]):
    role = serializers.ChoiceField(choices=["system", "user", "assistant"])
    content = serializers.CharField(allow_blank=True, help_text="Markdown, as it was written.")


class PointSerializer(serializers.Serializer[Any]):
    value = serializers.FloatField()
    label = BilingualSerializer()  # type: ignore[assignment]
    description = BilingualSerializer()


class AxisSerializer(serializers.Serializer[Any]):
    key = serializers.CharField()
    label = BilingualSerializer()  # type: ignore[assignment]
    description = BilingualSerializer()
    kind = serializers.ChoiceField(choices=Axis.Kind.choices)
    allow_na = serializers.BooleanField(help_text="Whether a reason may stand in place of a value.")
    points = PointSerializer(many=True)


class ReasonChoiceSerializer(serializers.Serializer[Any]):
    key = serializers.ChoiceField(choices=NAReason.choices)
    label = serializers.CharField(  # type: ignore[assignment]
        help_text="In the language of the request."
    )


@extend_schema_field(
    {
        "oneOf": [{"type": "number"}, {"type": "string", "enum": [str(reason) for reason in NAReason]}],
        "description": "A value of the axis, or the reason why it cannot be judged.",
    }
)
class ScoreField(serializers.Field[Any, Any, Any, Any]):
    """A number or a reason; whether it fits the axis is for the service to say."""

    def to_internal_value(self, data: Any) -> float | str:
        if isinstance(data, str):
            return data
        if isinstance(data, bool) or not isinstance(data, int | float):
            raise serializers.ValidationError("A number, or a reason why it cannot be judged.")
        try:
            return float(data)
        except OverflowError:
            return math.nan  # off every scale

    def to_representation(self, value: Any) -> Any:
        return value


class ScoresField(serializers.DictField):
    """Scores by key of the axis. Halves of characters in a key could not be named in the answer, nor anywhere."""

    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, dict):
            data = {plain(str(key)): value for key, value in data.items()}
        return super().to_internal_value(data)


class SeatSerializer(serializers.Serializer[Assignment]):
    """An item to rate, or a rating of one's own. It says nothing of the model, nor of other raters."""

    key = serializers.UUIDField()
    batch = serializers.CharField(source="batch.name")
    state = serializers.ChoiceField(choices=Assignment.State.choices)
    lease_until = serializers.DateTimeField(
        allow_null=True, help_text="Until when the item is kept for you; asking for it again keeps it longer."
    )
    earlier = SaidSerializer(many=True, help_text="What had been said before.")
    question = SaidSerializer()
    answer = SaidSerializer(help_text="The response to rate.")
    cut_off = serializers.BooleanField(
        help_text="Whether the response ended because it had reached its longest length."
    )
    reference = serializers.CharField(allow_null=True)
    checklist = serializers.ListField(child=serializers.JSONField())
    guidelines = BilingualSerializer()
    axes = AxisSerializer(many=True)
    na_reasons = ReasonChoiceSerializer(many=True)
    scores = serializers.DictField(
        child=ScoreField(),
        allow_null=True,
        help_text="What you gave, by key of the axis; null before you submit.",
    )
    comment = serializers.CharField(allow_blank=True)
    flagged = serializers.BooleanField()

    def to_representation(self, instance: Assignment) -> dict[str, Any]:
        return shown(instance)


def shown(seat: Assignment) -> dict[str, Any]:
    """What a rater sees of a seat: what the page shows, and no more."""
    project, rubric, prompt = seat.batch.project, seat.batch.rubric, seat.item.prompt
    talk = conversation(seat.item)
    given = None
    if seat.state == Assignment.State.SUBMITTED:
        key_of = {axis.pk: axis.key for axis in axes_of(seat.batch.rubric_id)}
        given = {
            key_of[score.axis_id]: score.na_reason if score.value is None else score.value
            for score in seat.scores.all()
        }
    return {
        "key": str(seat.key),
        "batch": seat.batch.name,
        "state": seat.state,
        "lease_until": seat.lease_until.isoformat() if seat.lease_until else None,
        "earlier": [{"role": turn.role, "content": turn.text} for turn in talk.earlier],
        "question": {"role": talk.question.role, "content": talk.question.text},
        "answer": {"role": talk.answer.role, "content": talk.answer.text},
        "cut_off": talk.cut_off,
        "reference": prompt.reference if project.raters_see_reference else None,
        "checklist": prompt.checklist if project.raters_see_checklist else [],
        "guidelines": {"ja": rubric.guidelines_ja, "en": rubric.guidelines_en},
        "axes": [_axis(axis) for axis in axes_of(seat.batch.rubric_id)],
        "na_reasons": [{"key": reason.value, "label": str(reason.label)} for reason in REASONS],
        "scores": given,
        "comment": seat.comment,
        "flagged": seat.flagged,
    }


def _axis(axis: Axis) -> dict[str, Any]:
    return {
        "key": axis.key,
        **_words(axis),
        "kind": axis.kind,
        "allow_na": axis.allow_na,
        "points": [{"value": point.value, **_words(point)} for point in axis.points.all()],
    }


def _words(thing: Any) -> dict[str, dict[str, str]]:
    return {
        "label": {"ja": thing.label_ja, "en": thing.label_en},
        "description": {"ja": thing.description_ja, "en": thing.description_en},
    }


# What a rater sends


class ClaimSerializer(serializers.Serializer[Any]):
    batch = serializers.CharField(
        required=False, help_text="Name of a batch, to take an item of that one only."
    )


class RatingWriteSerializer(serializers.Serializer[Any]):
    submission_id = serializers.UUIDField(
        help_text="Made by you, new for each rating. Sent again with the same rating it writes nothing and answers the same."
    )
    scores = ScoresField(child=ScoreField(), help_text="By key of the axis; each axis of the rubric.")
    comment = serializers.CharField(
        required=False, allow_blank=True, default="", max_length=LONGEST_COMMENT, trim_whitespace=False
    )
    flagged = serializers.BooleanField(required=False, default=False)
    seconds = serializers.FloatField(
        required=False, allow_null=True, default=None, min_value=0, max_value=86_400
    )


class SubmitSerializer(RatingWriteSerializer):
    claim_next = serializers.BooleanField(
        required=False, default=True, help_text="Whether to be handed the next item in the same answer."
    )
    batch = serializers.CharField(
        required=False, help_text="Name of a batch, to take the next item of that one only."
    )


class ReasonSerializer(serializers.Serializer[Any]):
    reason = serializers.CharField(allow_blank=True, max_length=LONGEST_COMMENT)


class OutcomeSerializer(serializers.Serializer[Any]):
    outcome = serializers.ChoiceField(choices=Submission.Outcome.choices)
    repeated = serializers.BooleanField(
        help_text="Whether this had been sent before; nothing was written this time."
    )
    seat = serializers.UUIDField(help_text="Where the rating is now.")


class SubmittedSerializer(OutcomeSerializer):
    next = SeatSerializer(allow_null=True, help_text="Null when nothing is left, or was not asked for.")


class LeaseSerializer(serializers.Serializer[Any]):
    lease_until = serializers.DateTimeField()


# The endpoints

_NOTHING_LEFT = OpenApiResponse(description="Nothing is left for you now.")


class ForRaters(APIView):
    """What raters of the project in the address may ask; nobody else finds the project."""

    def rater(self) -> Member:
        raters = Member.objects.raters().belonging_to(reader(self.request))
        return get_object_or_404(raters.select_related("project"), project__slug=self.kwargs["project_slug"])

    def checked(self, serializer: type[serializers.Serializer[Any]]) -> dict[str, Any]:
        sent = serializer(data=self.request.data)
        sent.is_valid(raise_exception=True)
        return dict(sent.validated_data)

    def batch(self, rater: Member, sent: dict[str, Any]) -> Batch | None:
        """The batch that was named, if the rater may take seats of it: of others they learn nothing."""
        if (name := sent.pop("batch", None)) is None:
            return None
        batch = Batch.objects.given_to(rater).filter(name=name).first()
        if batch is None:
            raise Http404
        return batch


class NextSeat(ForRaters):
    @extend_schema(
        operation_id="claim_next",
        tags=["rating"],
        request=ClaimSerializer,
        responses={200: SeatSerializer, 204: _NOTHING_LEFT},
    )
    def post(self, request: Request, project_slug: str) -> Response:
        """Be handed the next item: the same one until it is submitted, skipped or given back."""
        rater = self.rater()
        seat = claim_next(rater=rater, batch=self.batch(rater, self.checked(ClaimSerializer)))
        return Response(shown(seat)) if seat else Response(status=204)


class SeatDetail(ForRaters):
    @extend_schema(operation_id="seat", tags=["rating"], responses=SeatSerializer)
    def get(self, request: Request, project_slug: str, key: uuid.UUID) -> Response:
        """Your open item, or a rating that you submitted."""
        return Response(shown(get_object_or_404(own(self.rater()).prefetch_related("scores"), key=key)))


class SubmitRating(ForRaters):
    @extend_schema(
        operation_id="submit", tags=["rating"], request=SubmitSerializer, responses=SubmittedSerializer
    )
    def post(self, request: Request, project_slug: str, key: uuid.UUID) -> Response:
        """Keep a rating and be handed the next item.

        Send it again with the same `submission_id` when no answer came. A rating that comes after its time is kept,
        too: at the seat if that is free, else as a surplus rating.
        """
        rater, sent = self.rater(), self.checked(SubmitSerializer)
        batch, goes_on = self.batch(rater, sent), sent.pop("claim_next")
        if goes_on:
            outcome, following = submit_and_claim_next(rater=rater, assignment_key=key, batch=batch, **sent)
        else:
            outcome, following = submit(rater=rater, assignment_key=key, **sent), None
        return Response(_said(outcome) | {"next": shown(following) if following else None})


class ChangeRating(ForRaters):
    @extend_schema(
        operation_id="change", tags=["rating"], request=RatingWriteSerializer, responses=OutcomeSerializer
    )
    def post(self, request: Request, project_slug: str, key: uuid.UUID) -> Response:
        """Replace a rating of your own while its batch is open. `seconds` is the time that the change took."""
        outcome = change(rater=self.rater(), assignment_key=key, **self.checked(RatingWriteSerializer))
        return Response(_said(outcome))


class Skip(ForRaters):
    @extend_schema(
        operation_id="skip",
        tags=["rating"],
        request=ReasonSerializer,
        responses={204: OpenApiResponse(description="Skipped.")},
    )
    def post(self, request: Request, project_slug: str, key: uuid.UUID) -> Response:
        """Leave an item for good, with a reason; somebody else gets it."""
        rater = self.rater()
        sent = self.checked(ReasonSerializer)
        skip(
            rater=rater, assignment=get_object_or_404(rater.assignments.all(), key=key), reason=sent["reason"]
        )
        return Response(status=204)


class GiveBack(ForRaters):
    @extend_schema(
        operation_id="give_back",
        tags=["rating"],
        request=None,
        responses={204: OpenApiResponse(description="Given back.")},
    )
    def post(self, request: Request, project_slug: str, key: uuid.UUID) -> Response:
        """Return your open item; you may get it again."""
        give_back(rater=self.rater(), key=key)
        return Response(status=204)


class Renew(ForRaters):
    @extend_schema(operation_id="renew", tags=["rating"], request=None, responses=LeaseSerializer)
    def post(self, request: Request, project_slug: str, key: uuid.UUID) -> Response:
        """Keep your open item longer, because you are at work on it."""
        return Response({"lease_until": renew(rater=self.rater(), key=key).isoformat()})


def own(rater: Member) -> QuerySet[Assignment]:
    """What a rater may look at: the open item, and what they submitted. A planned one waits for its turn."""
    return Assignment.objects.filter(
        rater=rater, state__in=[Assignment.State.OPEN, Assignment.State.SUBMITTED]
    ).select_related(*_SHOWN)


def _said(outcome: Any) -> dict[str, Any]:
    return {
        "outcome": outcome.kind.value,
        "repeated": outcome.repeated,
        "seat": str(outcome.assignment_key),
    }
