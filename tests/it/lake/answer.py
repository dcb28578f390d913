"""How the scripts here end."""

import json
import os
import sys


def answer(value, default=None):
    """Prints it as JSON and ends the process at once: threads of Arrow and DuckDB that still run while a process winds
    down abort it now and then, after all is said."""
    print(json.dumps(value, default=default))
    sys.stdout.flush()
    os._exit(0)
