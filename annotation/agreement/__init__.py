"""How well raters agree: read from PostgreSQL, computed by `stats`, the same for pages and commands."""

from annotation.agreement.project import AxisAgreement, ProjectAgreement, agreement
from annotation.agreement.report import as_json, as_text

__all__ = ["AxisAgreement", "ProjectAgreement", "agreement", "as_json", "as_text"]
