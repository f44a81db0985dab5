#!/usr/bin/env python
"""Django's command line for Hyotei."""

import os
import sys


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    from django.core.management import execute_from_command_line
    from django.db import NotSupportedError, OperationalError

    from config.embedded import EmbeddedServerError

    try:
        execute_from_command_line(sys.argv)
    except EmbeddedServerError as error:
        sys.exit(str(error))
    except NotSupportedError as error:  # PostgreSQL is too old
        sys.exit(f"The database cannot be used: {error}")
    except OperationalError as error:
        if "connection" not in str(error):
            raise
        sys.exit(f"The database cannot be reached: {error}")


if __name__ == "__main__":
    main()
