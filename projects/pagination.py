"""How lists of the API are cut into pages."""

from __future__ import annotations

from rest_framework.pagination import CursorPagination


class OldestFirst(CursorPagination):
    """A cursor over primary keys: stable while rows arrive, and as quick at the end as at the beginning."""

    ordering = "pk"
    page_size = 100
    page_size_query_param = "page_size"
    max_page_size = 1000
