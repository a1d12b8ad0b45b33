"""json_text - text as a string of JSON, the way Postfix's commands print it

    json_text('a "b"')        '"a \\"b\\""'

What is UTF-8 stays as it is; what is not becomes the replacement character.
"""

_ESCAPES = str.maketrans(
    {'"': '\\"', "\\": "\\\\", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t"}
    | {chr(number): f"\\u{number:04X}" for number in (*range(8), 11, *range(14, 32), 127)}
)


def json_text(text: str) -> str:
    """The string, with its quotes."""
    if text.isascii() and text.isprintable() and '"' not in text and "\\" not in text:
        return f'"{text}"'
    plain = text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    return f'"{plain.translate(_ESCAPES)}"'
