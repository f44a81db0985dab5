from __future__ import annotations

from typing import Any

from django.db.backends.postgresql import base, features

from config.database import embedded_server


class DatabaseFeatures(features.DatabaseFeatures):
    minimum_database_version = (15,)


class DatabaseWrapper(base.DatabaseWrapper):
    features_class = DatabaseFeatures

    def get_connection_params(self) -> dict[str, Any]:
        """Every way to a connection passes here: Django's own, its pool's, and Procrastinate's."""
        if server := self.settings_dict.get("EMBEDDED"):
            embedded_server(**server).use()
        return super().get_connection_params()
