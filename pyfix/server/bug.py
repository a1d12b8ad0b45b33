"""bug - one located line about an exception that nobody expected

An error of the operating system is the machine's trouble, not a mistake in the program: the line does not say so.
"""

import traceback


def line(error: BaseException, doing: str) -> str:
    """What was raised, and the innermost of our lines it came from.

    doing: what was going on, such as "session".
    """
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if "/pyfix/" in frame.filename] or list(frames)
    where = "".join(f"{_short(frame.filename)}:{frame.lineno}: " for frame in ours[-1:])
    if isinstance(error, OSError) and error.strerror:
        file = f": {error.filename}" if error.filename is not None else ""
        return f"{doing} ended by a system error: {where}{error.strerror}{file}"
    return f"{doing} ended by a bug: {where}{type(error).__name__}: {error}"


def _short(filename: str) -> str:
    return "pyfix/" + filename.rpartition("/pyfix/")[2] if "/pyfix/" in filename else filename
