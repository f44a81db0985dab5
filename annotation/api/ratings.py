"""Reading what was rated, for coordinators and researchers."""

from __future__ import annotations

from datetime import UTC
from typing import Any

import django_filters
from django import forms
from django.db.models import Count, Prefetch, Q, QuerySet
from drf_spectacular.utils import extend_schema, extend_schema_field, extend_schema_view
from rest_framework import generics, serializers

from annotation.models import Assignment, Batch, Score
from annotation.models.batch import Purpose
from projects.api import project_seen_by, reader


class BatchSerializer(serializers.ModelSerializer[Batch]):
    rubric = serializers.IntegerField(source="rubric.number", help_text="The version of the rubric.")
    seats = serializers.IntegerField(help_text="Seats that count towards raters per item.")
    submitted = serializers.IntegerField(help_text="Those of them with a submitted rating.")

    class Meta:
        model = Batch
        fields = [
            "name", "purpose", "rubric", "raters_per_item", "filling", "order", "state", "due_on", "created_at",
            "seats", "submitted",
        ]  # fmt: skip


@extend_schema_view(get=extend_schema(operation_id="list_batches", tags=["reading"]))
class BatchList(generics.ListAPIView[Batch]):
    """Batches of a project and how far they are. For coordinators and researchers."""

    serializer_class = BatchSerializer
    queryset = Batch.objects.none()

    def get_queryset(self) -> QuerySet[Batch]:
        seated = Q(assignments__seat__isnull=False)
        gone = Q(assignments__state__in=[Assignment.State.SKIPPED, Assignment.State.WITHDRAWN])
        return (
            Batch.objects.visible_to(reader(self.request))
            .filter(project=project_seen_by(self))
            .select_related("rubric")
            .annotate(
                seats=Count("assignments", filter=seated & ~gone),
                submitted=Count("assignments", filter=seated & Q(assignments__state="submitted")),
            )
        )


class GivenSerializer(serializers.Serializer[Any]):
    score = serializers.FloatField(allow_null=True, help_text="Null when the rater could not judge.")
    na_reason = serializers.CharField(allow_null=True, help_text="Why the rater could not judge.")


class RatingSerializer(serializers.ModelSerializer[Assignment]):
    prompt_id = serializers.CharField(source="item.prompt.key")
    model = serializers.CharField(source="item.response.model.name")
    turn = serializers.IntegerField(source="item.turn")
    sample = serializers.IntegerField(source="item.response.sample")
    rater = serializers.CharField(source="rater.pseudonym")
    batch = serializers.CharField(source="batch.name")
    rubric = serializers.IntegerField(source="batch.rubric.number")
    rated_at = serializers.DateTimeField(source="submitted_at", allow_null=True)
    scores = serializers.SerializerMethodField(
        help_text="By key of the axis; an axis that was not rated is not there."
    )

    class Meta:
        model = Assignment
        fields = [
            "key", "prompt_id", "model", "turn", "sample", "rater", "batch", "rubric", "purpose", "occasion", "origin",
            "scores", "comment", "flagged", "seconds", "rated_at",
        ]  # fmt: skip

    @extend_schema_field(serializers.DictField(child=GivenSerializer()))
    def get_scores(self, rating: Assignment) -> dict[str, dict[str, Any]]:
        return {
            score.axis.key: {"score": score.value, "na_reason": score.na_reason}
            for score in rating.scores.all()
        }


class MomentField(django_filters.fields.IsoDateTimeField):
    def clean(self, value: Any) -> Any:
        moment = super().clean(value)
        try:
            return moment and moment.astimezone(UTC)
        except OverflowError:  # the first or the last day that there is, somewhere else on earth
            raise forms.ValidationError(self.error_messages["invalid"], code="invalid") from None


class MomentFilter(django_filters.IsoDateTimeFilter):
    field_class = MomentField


class RatingFilter(django_filters.FilterSet):
    batch = django_filters.CharFilter(field_name="batch__name")
    rater = django_filters.CharFilter(field_name="rater__pseudonym")
    prompt_id = django_filters.CharFilter(field_name="item__prompt__key")
    model = django_filters.CharFilter(field_name="item__response__model__name")
    turn = django_filters.NumberFilter(field_name="item__turn")
    purpose = django_filters.ChoiceFilter(choices=Purpose.choices)
    rated_after = MomentFilter(field_name="submitted_at", lookup_expr="gt")
    rated_before = MomentFilter(field_name="submitted_at", lookup_expr="lt")

    class Meta:
        model = Assignment
        fields = ["flagged"]


@extend_schema_view(get=extend_schema(operation_id="list_ratings", tags=["reading"]))
class RatingList(generics.ListAPIView[Assignment]):
    """Submitted ratings of a project, oldest seat first. For coordinators and researchers.

    Agreement counts those whose purpose is `main`.
    """

    serializer_class = RatingSerializer
    filterset_class = RatingFilter
    queryset = Assignment.objects.none()

    def get_queryset(self) -> QuerySet[Assignment]:
        scores = Score.objects.select_related("axis").order_by("axis__position")
        return (
            Assignment.objects.visible_to(reader(self.request))
            .filter(batch__project=project_seen_by(self), item__second_response=None)
            .submitted()
            .select_related("item__prompt", "item__response__model", "rater", "batch__rubric")
            .prefetch_related(Prefetch("scores", scores))
        )
