"""Layouts of files, each turning rows into records."""
