"""toy_ends_early - a program whose workers end before they are anything; its arguments say how"""

import os

from pyfix.server import zygote

work = zygote.work


def end_early(order, *rest):
    if order.program != "toy_ends_early:Toy":
        work(order, *rest)
    how, number = order.args
    match how:
        case "exit":
            os._exit(int(number))
        case "kill":
            os.kill(os.getpid(), int(number))
        case "raise":
            raise MemoryError


zygote.work = end_early
