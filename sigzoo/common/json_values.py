"""Values as JSON has them: what a file that was written and read again would hold."""

from __future__ import annotations

import json
from typing import Any

__all__ = ["to_json_values"]


def to_json_values(value: Any) -> Any:
    """Return a value as plain JSON data: tuples as lists, keys as text.

    Raises
    ------
    TypeError
        If something in it has no form in JSON.
    """
    return json.loads(json.dumps(value))
