"""Planning a study: how wide its intervals will be, from a pilot's ratings or from defaults."""

from annotation.planning.pilot import Pilot, pilots, widest_scale
from annotation.planning.report import Planned, as_json, as_text, planned

__all__ = ["Pilot", "Planned", "as_json", "as_text", "pilots", "planned", "widest_scale"]
