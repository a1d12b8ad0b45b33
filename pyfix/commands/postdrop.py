"""postdrop - submit a message that another program has put into records

    postdrop [-rv] [-c DIR] < records

Says on standard output the id of the queue file, and at the end how it went. Input that ends before its E record is a
submission that was cancelled: exit status 0, and nothing stays; in the middle of a record it is malformed. Who may not
write maildrop is passed on to the postdrop service; see services/postdropd.

Parameters: queue_directory, message_size_limit, authorized_submit_users, enable_long_queue_ids
Sources: postdrop(1), ipc sheet section 3.
"""

import os
import sys

from pyfix.clients import postdrop, submit
from pyfix.commands import mail_conf
from pyfix.config.params.mail import MailParams
from pyfix.maps.run_now import run_now
from pyfix.maps.user_acl import UserAcl
from pyfix.queue.submitted import Filter, MalformedError
from pyfix.unix import msg

USAGE = "usage: postdrop [-c config_dir] [-v]"
STAT_BAD, STAT_WRITE, STAT_SIZE = 1, 2, 4  # of the cleanup service
NOTHING_ELSE = ("no envelope sender", "no recipients")


def main(argv: list[str] | None = None) -> int:
    """Submit what comes on standard input; the exit status is that of the submission."""
    found, _ = mail_conf.begin(argv, "postdrop", "c:rv", USAGE)
    main_cf = mail_conf.load(dict(found).get("c"))
    mail_conf.log_too(main_cf, "postdrop")
    cfg = MailParams(main_cf)
    uid = os.getuid()
    if name := run_now(UserAcl(cfg.authorized_submit_users, "authorized_submit_users").refused(uid)):
        msg.fatal(f"User {name}({uid}) is not allowed to submit mail")
    try:
        submission = submit.begin(cfg.queue_directory, long_ids=cfg.enable_long_queue_ids)
    except submit.UnavailableError as error:
        msg.fatal(f"mail system is down: {error}")
    except submit.RefusedError as error:
        msg.fatal(str(error))
    _say(postdrop.greeting(submission.queue_id))
    try:
        status, reason = _copy(submission, uid, cfg.message_size_limit)
    except BaseException:
        submission.cancel()
        raise
    if status >= 0:
        _say(postdrop.verdict(status, reason))
    return max(status, 0)


def _copy(submission: "submit.Submission", uid: int, limit: int) -> tuple[int, str]:
    """Status and reason; -1: cancelled, there is nothing to say."""
    records = Filter(uid)
    size = 0
    try:
        while not records.complete:
            data = os.read(0, 65536)
            if not data:
                if records.cut:
                    msg.warning(f"stdin: {records.cut}")
                    raise MalformedError("malformed input")
                submission.cancel()
                return -1, ""
            passed = records.feed(data)
            size += len(passed)
            if limit and size > limit:
                raise submit.RefusedError(STAT_SIZE, "message file too big")
            submission.write(passed)
        if trouble := submission.finish():
            msg.warning(trouble)
    except MalformedError as error:
        submission.cancel()
        if str(error) not in NOTHING_ELSE:
            msg.fatal(f"uid={uid}: {error}")
        return STAT_BAD, ""
    except submit.RefusedError as error:
        submission.cancel()
        msg.warning(f"uid={uid}: {error}")
        return error.status, str(error)
    except OSError as error:
        submission.cancel()
        msg.warning(f"uid={uid}: {error.strerror or error}")
        return STAT_WRITE, ""
    return 0, ""


def _say(data: bytes) -> None:
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    sys.exit(main())
