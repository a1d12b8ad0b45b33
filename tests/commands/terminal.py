"""What programs show on a terminal."""

import os


def shown(terminal: int) -> str:
    """All of it, once its programs have ended. terminal: our end, whose other one is closed here; it is closed too."""
    said = b""
    try:
        while True:
            said += os.read(terminal, 4096)
    except OSError:  # in place of an end
        os.close(terminal)
    return said.decode().replace("\r\n", "\n")
