"""python - lookup table that is a function of your own

python:module:function. The function gets the key and returns the value or None; it may be a
coroutine function. It runs in a thread, so it may take its time. Whatever it raises makes the
lookup fail temporarily, with a log line. Keys are folded to lower case and partial keys
(`user`, `@domain`) are asked too, unless the function has an attribute `fixed` that is false.

The module is imported when the table is opened: before a daemon enters its jail, and with the
rights that it has then. It must be installed, or in a directory of the PYTHONPATH that import_environment
sets: `import_environment = ... PYTHONPATH=/etc/postfix/python`.
"""

import asyncio
import inspect
import threading
from collections.abc import Callable, Coroutine
from importlib import import_module
from typing import Any, ClassVar

from pyfix.maps.table import OpenError, Options, TableError
from pyfix.unix import msg

TIMEOUT = 100  # seconds for a coroutine


class PythonTable:
    """python:name."""

    waits: ClassVar[bool] = True
    watch = None

    def __init__(self, name: str, function: Callable[[str], Any]) -> None:
        self._name = name
        self._function = function
        self._is_async = inspect.iscoroutinefunction(function)
        self.fixed = bool(getattr(function, "fixed", True))

    def lookup(self, key: str) -> str | None:
        """What the function returns; TableError when it raises."""
        try:
            value = _in_loop(self._function(key)) if self._is_async else self._function(key)
            if value is not None and not isinstance(value, str):
                raise TypeError(f"{type(value).__name__} instead of str or None")
        except Exception as error:
            msg.warning(failed(self._name, key, error))
            raise TableError(self._name, repr(error)) from None
        return value


def failed(table: str, key: str, error: Exception) -> str:
    """The function raised: what, and where."""
    at = error.__traceback__
    while at is not None and at.tb_next is not None:
        at = at.tb_next
    place = "" if at is None else f" ({at.tb_frame.f_code.co_filename}, line {at.tb_lineno})"
    return f'{table}: lookup of "{key}" failed: {type(error).__name__}: {error}{place}'


def open_python(options: Options, name: str) -> PythonTable:
    """Import the function; OpenError when that fails."""
    module, colon, path = name.rpartition(":")
    if not colon or not module or not path:
        raise OpenError(f"{options.spec(name)}: need python:module:function")
    try:
        function = getattr(import_module(module), path)
    except Exception as error:  # a module may do anything
        raise OpenError(f"{options.spec(name)}: {type(error).__name__}: {error}") from None
    if not callable(function):
        raise OpenError(f"{options.spec(name)}: {path} is not a function")
    return PythonTable(options.spec(name), function)


_loop: asyncio.AbstractEventLoop | None = None
_lock = threading.Lock()


def _in_loop(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """Run it in the loop that all such tables share, which has a thread of its own."""
    global _loop  # noqa: PLW0603 - made when first needed: a thread must not be there before a fork
    with _lock:
        if _loop is None:
            _loop = asyncio.new_event_loop()
            threading.Thread(target=_loop.run_forever, daemon=True, name="python tables").start()
    return asyncio.run_coroutine_threadsafe(coroutine, _loop).result(TIMEOUT)
