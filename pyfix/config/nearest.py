"""nearest - the name that somebody probably meant"""

from collections.abc import Iterable
from difflib import get_close_matches

LIKE = 0.8
"""How much two names have in common (0 to 1) when one is probably the other, misspelt."""


def nearest(name: str, known: Iterable[str], like: float = LIKE) -> str:
    """The known name that is most like this one in any letter case; "" when none is."""
    spelt = {other.lower(): other for other in known}
    found = get_close_matches(name.lower(), spelt, 1, like)
    return spelt[found[0]] if found else ""
