"""The design of a study: who rates what, whether that holds together, how much of it is needed.

`planner`: widths of intervals before anything is rated; `components`: what they are made of, from a pilot; `extra`: rules
for further raters, and what they do to the figures; `subsets`: a part that is like the whole.
"""

from stats.design.assignment import NOBODY, balanced_assignment, side_by_side_assignment
from stats.design.soundness import Health, health

__all__ = ["NOBODY", "Health", "balanced_assignment", "health", "side_by_side_assignment"]
