"""NumPy in, numbers out: agreement between raters and the design of a study.

Nothing here knows Django or a database. Every number is an `Estimate`, with its interval and what it
was computed from, or `Undefined`, with the reason.
"""
