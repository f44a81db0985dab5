"""What is asked, of whom, and how it is judged."""

from projects.models.content import Item, LanguageModel, Prompt, Response
from projects.models.load_run import LoadRun
from projects.models.people import Invitation, Member, User
from projects.models.project import Project
from projects.models.rubric import Axis, Point, Rubric

__all__ = [
    "Axis",
    "Invitation",
    "Item",
    "LanguageModel",
    "LoadRun",
    "Member",
    "Point",
    "Project",
    "Prompt",
    "Response",
    "Rubric",
    "User",
]
