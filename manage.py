"""Django's command line, with PostgreSQL and Redis at hand.

Where DATABASE_URL or REDIS_URL is unset the command attaches to the servers of a running `make run`, or
starts them for its own length.
"""

import contextlib
import os
import sys

from readiness import embedded

# These touch no database.
WITHOUT_SERVERS = {"help", "--help", "-h", "version", "--version", "messages"}


def main() -> None:
    """Run one command."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "readiness.settings")
    if not any(os.environ.get(name) for name in ("DEBUG", "DATABASE_URL", "SECRET_KEY")):
        os.environ["DEBUG"] = "1"  # a laptop: whoever runs this for real has set one of them

    # After the environment, which Django's modules read.
    from django.core.management import execute_from_command_line

    idle = WITHOUT_SERVERS.intersection(sys.argv[1:2] or ["help"])
    try:
        with contextlib.nullcontext() if idle else embedded.servers():
            execute_from_command_line(sys.argv)
    except embedded.Trouble as trouble:
        sys.exit(str(trouble))
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
