"""A program whose import ends the process, as a library's crash would."""

import os

os._exit(1)
