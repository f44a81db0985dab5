"""The project's own tables: prompts; language models, responses and items."""

from projects.loading.stores.prompts import PromptStore
from projects.loading.stores.responses import ResponseStore

__all__ = ["PromptStore", "ResponseStore"]
