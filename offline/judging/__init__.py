"""Judges: what they are asked (presets), how their answers are read (parsing), and what of that goes into the journal."""
