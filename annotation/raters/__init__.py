"""How raters rate: read from PostgreSQL, computed by `stats.raters`, the same for pages and commands."""

from annotation.raters.as_json import as_json
from annotation.raters.project import ProjectRaters, RatedAxis, raters
from annotation.raters.report import as_text

__all__ = ["ProjectRaters", "RatedAxis", "as_json", "as_text", "raters"]
