"""Projects, prompts and responses over the API."""

from __future__ import annotations

from typing import Any

import django_filters
from django.db.models import Prefetch, QuerySet
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema, extend_schema_field, extend_schema_view
from rest_framework import generics, mixins, serializers
from rest_framework.request import Request
from rest_framework.response import Response as Answer
from rest_framework.views import APIView

from projects.models import Member, Project, Prompt, Response, User

ROLES = ("rater", "coordinator", "researcher")
STRINGS = {"type": "array", "items": {"type": "string"}}
ANYTHING: dict[str, Any] = {"type": "object", "additionalProperties": True}


def reader(request: Request) -> User:
    """Whoever asks. That they are logged in is seen to by the default permissions."""
    assert isinstance(request.user, User)
    return request.user


def project_seen_by(view: APIView) -> Project:
    """The project in the address, for its coordinators and researchers; nobody else finds it."""
    projects = Project.objects.visible_to(reader(view.request))
    return get_object_or_404(projects, slug=view.kwargs["project_slug"])


class ProjectSerializer(serializers.ModelSerializer[Project]):
    roles = serializers.SerializerMethodField(help_text="Your roles in it.")
    pseudonym = serializers.SerializerMethodField(help_text="The name that your work is known by in it.")

    class Meta:
        model = Project
        fields = ["slug", "name", "name_ja", "is_simulated", "roles", "pseudonym"]

    @extend_schema_field({"type": "array", "items": {"type": "string", "enum": list(ROLES)}})
    def get_roles(self, project: Any) -> list[str]:
        return [role for role in ROLES if getattr(project.mine[0], f"is_{role}")]

    def get_pseudonym(self, project: Any) -> str:
        return str(project.mine[0].pseudonym)


class _OwnProjects(generics.GenericAPIView[Project]):
    serializer_class = ProjectSerializer
    queryset = Project.objects.none()

    def get_queryset(self) -> QuerySet[Project]:
        user = reader(self.request)
        mine = Prefetch("members", Member.objects.belonging_to(user), to_attr="mine")
        return Project.objects.of(user).prefetch_related(mine)


@extend_schema_view(get=extend_schema(operation_id="list_projects", tags=["projects"]))
class ProjectList(mixins.ListModelMixin, _OwnProjects):
    """Your projects, and what you are in them."""

    def get(self, request: Request) -> Answer:
        return self.list(request)


@extend_schema_view(get=extend_schema(operation_id="project", tags=["projects"]))
class ProjectDetail(mixins.RetrieveModelMixin, _OwnProjects):
    """One of your projects."""

    lookup_field = "slug"
    lookup_url_kwarg = "project_slug"

    def get(self, request: Request, project_slug: str) -> Answer:
        return self.retrieve(request)


class TurnSerializer(serializers.Serializer[Any]):
    role = serializers.ChoiceField(choices=["system", "user", "assistant"])
    content = serializers.CharField()


class PromptSerializer(serializers.ModelSerializer[Prompt]):
    prompt_id = serializers.CharField(source="key")
    turns = TurnSerializer(many=True)
    checklist = serializers.SerializerMethodField()
    options = serializers.SerializerMethodField()
    metadata = serializers.SerializerMethodField()

    class Meta:
        model = Prompt
        fields = [
            "prompt_id", "turns", "source", "category", "tags", "reference", "checklist", "options", "answer", "metadata",
        ]  # fmt: skip

    @extend_schema_field({"type": "array", "items": {}})
    def get_checklist(self, prompt: Prompt) -> Any:
        return prompt.checklist

    @extend_schema_field({"type": "array", "items": {}})
    def get_options(self, prompt: Prompt) -> Any:
        return prompt.options

    @extend_schema_field(ANYTHING)
    def get_metadata(self, prompt: Prompt) -> Any:
        return prompt.metadata


class PromptFilter(django_filters.FilterSet):
    prompt_id = django_filters.CharFilter(field_name="key")
    tag = django_filters.CharFilter(field_name="tags", lookup_expr="contains", method="with_tag")

    class Meta:
        model = Prompt
        fields = ["source", "category"]

    def with_tag(self, prompts: QuerySet[Prompt], _name: str, tag: str) -> QuerySet[Prompt]:
        return prompts.filter(tags__contains=[tag])


@extend_schema_view(get=extend_schema(operation_id="list_prompts", tags=["reading"]))
class PromptList(generics.ListAPIView[Prompt]):
    """Prompts of a project, oldest first. For coordinators and researchers."""

    serializer_class = PromptSerializer
    filterset_class = PromptFilter
    queryset = Prompt.objects.none()

    def get_queryset(self) -> QuerySet[Prompt]:
        return Prompt.objects.visible_to(reader(self.request)).filter(project=project_seen_by(self))


class ResponseSerializer(serializers.ModelSerializer[Response]):
    prompt_id = serializers.CharField(source="prompt.key")
    model = serializers.CharField(source="model.name")
    generation = serializers.SerializerMethodField()
    metadata = serializers.SerializerMethodField()

    class Meta:
        model = Response
        fields = ["prompt_id", "model", "sample", "turns", "generation", "metadata", "truncated"]

    @extend_schema_field(ANYTHING)
    def get_generation(self, response: Response) -> Any:
        return response.generation

    @extend_schema_field(ANYTHING)
    def get_metadata(self, response: Response) -> Any:
        return response.metadata


class ResponseFilter(django_filters.FilterSet):
    prompt_id = django_filters.CharFilter(field_name="prompt__key")
    model = django_filters.CharFilter(field_name="model__name")
    source = django_filters.CharFilter(field_name="prompt__source")

    class Meta:
        model = Response
        fields = ["sample"]


@extend_schema_view(get=extend_schema(operation_id="list_responses", tags=["reading"]))
class ResponseList(generics.ListAPIView[Response]):
    """Responses of a project with the models that wrote them, oldest first. For coordinators and researchers."""

    serializer_class = ResponseSerializer
    filterset_class = ResponseFilter
    queryset = Response.objects.none()

    def get_queryset(self) -> QuerySet[Response]:
        seen = Response.objects.visible_to(reader(self.request))
        return seen.filter(prompt__project=project_seen_by(self)).select_related("prompt", "model")
