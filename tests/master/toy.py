"""toy - programs that master's tests let it run: `toy:Echo` and others in master.cf"""

import asyncio
import os


class Echo:
    """Answers each line with the worker's pid, then the line; some lines make trouble."""

    def __init__(self, context):
        self.context = context
        self.stressed = context.main.raw("stress") or ""

    async def start(self):
        pass

    async def serve(self, sock):
        loop = asyncio.get_running_loop()
        with sock:
            while line := await loop.sock_recv(sock, 999):
                if line == b"bug\n":
                    raise ValueError("a bug")
                answer = b"%d uid=%d stress=%s %s" % (os.getpid(), os.getuid(), self.stressed.encode(), line)
                await loop.sock_sendall(sock, answer)

    async def retire(self):
        pass

    def stress(self, on):
        self.stressed = "yes" if on else ""


class Broken(Echo):
    """Fails at its start, every time."""

    def __init__(self, context):
        raise RuntimeError("broken toy")


class Files(Echo):
    """Answers with its open descriptors, working directory and environment."""

    async def serve(self, sock):
        loop = asyncio.get_running_loop()
        with sock:
            await loop.sock_recv(sock, 999)
            found = []
            for fd in os.listdir("/proc/self/fd"):
                try:
                    found.append(os.readlink(f"/proc/self/fd/{fd}"))
                except OSError:
                    continue
            answer = [f"cwd={os.getcwd()}", f"umask={os.umask(0o77):o}", *found]
            answer += [f"{name}={value}" for name, value in os.environ.items()]
            await loop.sock_sendall(sock, "\n".join(answer).encode())

