"""The GPU side: batch jobs that answer prompts or judge responses. JSON lines in, JSON lines out.

Nothing here knows Django, a database or the rest of the project: this package is what is installed on a GPU node.
"""
