"""master - keeps the services of master.cf served

It holds the listening sockets, has workers forked when connections come, hears from them
through their status sockets and reaps them. It reads no mail and no table.

    HUP         reload: new configuration, new zygotes, new workers; sockets and sessions stay
    TERM, INT   stop: workers end their sessions, for STOP_PATIENCE seconds at most
    QUIT        stop at once
"""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping
from contextlib import suppress

from pyfix.config.main_cf import BadConfig
from pyfix.config.master_cf import Service as Entry
from pyfix.master import environment, log, notify, settings
from pyfix.master.child import Child
from pyfix.master.listen import Endpoint, Listeners
from pyfix.master.loop import Callback, Loop, Timer
from pyfix.master.service import Service
from pyfix.master.settings import Settings
from pyfix.master.zygote import Code, Zygote, exec_worker, fork_worker, may_fork, preload, start_zygote
from pyfix.server import control, privileges, programs
from pyfix.unix import msg

STOP_PATIENCE = 3.0
"""Seconds that workers have to end by themselves when the suite stops, or when the next one waits for it."""
KILL_PATIENCE = 2.0
"""Seconds after SIGTERM until SIGKILL."""
ZYGOTE_YOUTH = 2.0
"""Seconds in which a zygote that ends has failed to start."""


class Master:
    """The supervisor. given: the environment it was started with."""

    def __init__(
        self,
        loop: Loop,
        config: Settings,
        given: Mapping[str, str],
        *,
        verbose: int = 0,
        subreaper: bool = True,
    ) -> None:
        self._loop = loop
        self._config = config
        self._given = given
        self._verbose = verbose
        self._subreaper = subreaper
        self._listeners = Listeners(config.owner)
        self._services: dict[str, Service] = {}
        self._children: set[Child] = set()
        self._code = Code()
        self._zygotes: dict[bool, Zygote] = {}
        """By whether its workers keep root."""
        self._resting: set[bool] = set()
        """Those that failed, and are to be started later."""
        self._stopping = False
        self.signals = {
            signal.SIGHUP: self._reload_asked,
            signal.SIGTERM: self.stop,
            signal.SIGINT: self.stop,
            signal.SIGQUIT: self.abort,
            signal.SIGCHLD: self._reap,
        }

    # The life of the suite

    def listen(self) -> None:
        """Open all sockets. BadConfig: one can't be had; then nothing has begun."""
        self._listeners.open_new(self._config.wanted())

    def start(self) -> None:
        """Begin. Processes inherit standard input and output as they are now."""
        self._loop.on_signals(self.signals, self._signal)
        self._begin()

    def _begin(self) -> None:
        """Put the configuration to work."""
        self._environment = environment.for_daemons(self._config.cfg, self._given, self._verbose)
        if self._code.is_current():
            preload(self._config.cfg.main, self._programs(keeps_root=True) & programs.SERIAL)
            self._code = Code()
        self._start_zygote(keeps_root=False)
        for key, entry in self._config.entries.items():
            self._configure(key, entry)
        for key in self._config.entries:
            self._services[key].start()

    def _configure(self, key: str, entry: Entry) -> None:
        config = self._config
        endpoints, maxproc = config.endpoints(entry), config.maxproc(entry)
        if key in self._services:
            self._services[key].configure(
                entry, endpoints, maxproc=maxproc, throttle_time=config.throttle_time
            )
        else:
            self._services[key] = Service(
                self, entry, endpoints, maxproc=maxproc, throttle_time=config.throttle_time
            )

    def _signal(self, number: signal.Signals) -> None:
        if number in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT):
            msg.info(log.terminating(number))
        self.signals[number]()

    def _reload_asked(self) -> None:
        if self._stopping:
            return
        notify.reloading()
        try:
            self.reload()
        except BadConfig as problem:
            msg.error(log.keeps_old(str(problem)))
        except msg.Fatal as problem:
            msg.error(log.keeps_old(problem.text))
        else:
            msg.info(log.reloaded(self._config.cfg.config_directory))
            self._config.tell_jails()
        notify.ready()

    def reload(self) -> None:
        """Replace the configuration. BadConfig: the new one is bad; the old one stays."""
        old = self._config
        new = settings.load(old.cfg.config_directory, keep=old.interfaces)
        self._listeners.open_new(new.wanted())
        new.tell_ignored()
        for service in self._services.values():
            service.stop()
            self._hurry_single(service)
        self._config = new
        self._listeners.close_all_but(new.wanted())
        for zygote in self._zygotes.values():
            zygote.close()
        self._zygotes.clear()
        self._resting.clear()
        self._begin()
        self._services = {key: s for key, s in self._services.items() if key in new.entries}

    def _hurry_single(self, service: Service) -> None:
        children = list(service.children) if service.single else []
        self._loop.call_later(STOP_PATIENCE, lambda: self._kill(children, signal.SIGTERM))

    def stop(self) -> None:
        """End the suite, postlogd last."""
        if self._stopping:
            return
        self._stopping = True
        notify.stopping()
        for service in self._services.values():
            if service.entry.program != "postlogd":
                service.stop()
        self._listeners.close([e for s in self._services.values() for e in s.endpoints if e.kind == "inet"])
        self._loop.call_later(STOP_PATIENCE, lambda: self._kill(self._others(), signal.SIGTERM))
        self._loop.call_later(STOP_PATIENCE + KILL_PATIENCE, self._end_now)
        self._stop_if_done()

    def abort(self) -> None:
        """End the suite now."""
        self._stopping = True
        self._end_now()

    def _end_now(self) -> None:
        self._kill(self._children, signal.SIGKILL)
        self._end()

    def _stop_if_done(self) -> None:
        if not self._stopping:
            return
        if not self._others():
            for service in self._services.values():
                service.stop()
        if not self._children:
            self._end()

    def _others(self) -> list[Child]:
        """All that may have something to say to postlogd."""
        return [child for child in self._children if child.service.entry.program != "postlogd"]

    def _end(self) -> None:
        for zygote in self._zygotes.values():
            zygote.close()
        self._listeners.close_all_but([])
        self._loop.stop()

    def _kill(self, children: object, number: signal.Signals) -> None:
        for child in list(self._children):
            if child in children and child.pid is not None:  # type: ignore[operator]
                child.killed = True
                with suppress(ProcessLookupError):
                    os.kill(child.pid, number)

    # Zygotes

    def _programs(self, *, keeps_root: bool) -> set[str]:
        return {e.program for e in self._config.entries.values() if self._keeps_root(e) is keeps_root}

    def _keeps_root(self, entry: Entry) -> bool:
        return privileges.is_root() and not entry.unpriv

    def _start_zygote(self, *, keeps_root: bool) -> None:
        programs = self._programs(keeps_root=keeps_root)
        self._resting.discard(keeps_root)
        if not programs or not self._subreaper or self._stopping or keeps_root in self._zygotes:
            return
        try:
            self._zygotes[keeps_root] = start_zygote(
                self._config.cfg.main, programs, self._environment, fork=self._may_fork()
            )
        except OSError as error:
            msg.warning(log.not_started(self._zygote_path, error))
            self._rest(keeps_root, self._config.throttle_time)

    def _may_fork(self) -> bool:
        return may_fork(self._environment) and self._code.is_current()

    def _zygote_ended(self, kind: bool, pid: int, code: int) -> None:
        zygote = self._zygotes.pop(kind)
        msg.warning(log.ended(self._zygote_path, pid, code))
        zygote.close()
        delay = 0.0
        if zygote.young(ZYGOTE_YOUTH):
            msg.warning(log.throttled(self._zygote_path))
            delay = self._config.throttle_time
        self._rest(kind, delay)

    @property
    def _zygote_path(self) -> str:
        return f"{self._config.cfg.daemon_directory}/zygote"

    def _rest(self, kind: bool, seconds: float) -> None:
        self._resting.add(kind)
        self._loop.call_later(seconds, lambda: self._start_zygote(keeps_root=kind))

    # What a service asks for

    def watch(self, endpoint: Endpoint, callback: Callback) -> None:
        """Call back while a connection waits there."""
        self._loop.watch(self._listeners.fd(endpoint), callback)

    def forget(self, endpoint: Endpoint) -> None:
        """Watch it no more."""
        self._loop.forget(self._listeners.fd(endpoint))

    def call_later(self, delay: float, callback: Callback) -> Timer:
        """Call back once, after seconds."""
        return self._loop.call_later(delay, callback)

    def start_worker(self, service: Service) -> Child | None:
        """Order a worker; None when that is not possible now."""
        try:
            ours, theirs = control.pair()
        except OSError as error:
            msg.warning(log.not_started(self._path_of(service), error))
            return None
        child = Child(service, ours)
        fds = [theirs.fileno(), *[self._listeners.fd(e) for e in service.endpoints]]
        with theirs:
            if not self._order(child, fds):
                ours.close()
                return None
        self._children.add(child)
        self._loop.watch(ours.fileno(), lambda: self._hear(child))
        return child

    def _order(self, child: Child, fds: list[int]) -> bool:
        service = child.service
        order = self._start_of(service)
        kind = self._keeps_root(service.entry)
        if kind and order.program in programs.SERIAL and self._may_fork():
            start = fork_worker
        elif not self._subreaper:
            start = exec_worker
        else:
            return self._order_from_zygote(order, fds, keeps_root=kind)
        try:
            child.pid = start(order, self._config.cfg.main, self._environment, fds)
        except OSError as error:
            msg.warning(log.not_started(self._path_of(service), error))
            return False
        return True

    def _order_from_zygote(self, order: control.Start, fds: list[int], *, keeps_root: bool) -> bool:
        if keeps_root not in self._resting:
            self._start_zygote(keeps_root=keeps_root)
        zygote = self._zygotes.get(keeps_root)
        return zygote is not None and zygote.start(order, fds)

    def _path_of(self, service: Service) -> str:
        return f"{self._config.cfg.daemon_directory}/{service.entry.program}"

    def _start_of(self, service: Service) -> control.Start:
        entry = service.entry
        stress = (("stress", "yes" if service.stressed else ""),) if service.stress_capable else ()
        return control.Start(
            service=entry.name,
            type=entry.type,
            program=entry.program,
            args=entry.args,
            overrides=stress + entry.overrides,
            limit=service.share,
            single=service.single and entry.program in programs.SINGLE,
            unpriv=entry.unpriv,
            chroot=entry.chroot,
            verbose=max(entry.verbose, self._verbose),
            linger=None if entry.program in programs.NO_LINGER else service.linger,
        )

    # What workers do

    def _hear(self, child: Child) -> None:
        if child.hear() is None:
            self._loop.forget(child.status.fileno())
            child.close()
            if child.pid is None:
                self._never_was(child)
        child.service.update()

    def _never_was(self, child: Child) -> None:
        """The zygote did not make it: it could not fork, or ended itself."""
        self._children.discard(child)
        child.service.lost(child)
        child.service.pause(1)
        self._stop_if_done()

    def _reap(self) -> None:
        ended = _ended_processes()
        for child in list(self._children):
            if child.status.fileno() >= 0:
                self._hear(child)  # its pid may be among what was said last
        by_pid = {child.pid: child for child in self._children}
        for pid, code in ended:
            if pid in by_pid:
                self._ended(by_pid[pid], pid, code)
            for kind in [kind for kind, zygote in self._zygotes.items() if zygote.pid == pid]:
                self._zygote_ended(kind, pid, code)

    def _ended(self, child: Child, pid: int, code: int) -> None:
        self._children.discard(child)
        if child.status.fileno() >= 0:
            self._loop.forget(child.status.fileno())
            child.close()
        if code != 0 and not child.killed:
            path = self._path_of(child.service)
            msg.warning(log.ended(path, pid, code))
            if child.failed_to_start(code):
                child.service.throttle(path)
        child.service.lost(child)
        self._stop_if_done()


def _ended_processes() -> list[tuple[int, int]]:
    """Every child that has ended: (pid, exit code, negative for a signal). Strangers too, for pid 1."""
    found: list[tuple[int, int]] = []
    with suppress(ChildProcessError):
        while (ended := os.waitpid(-1, os.WNOHANG))[0]:
            found.append((ended[0], os.waitstatus_to_exitcode(ended[1])))
    return found
