"""table - all workloads, in order"""

from bench.workload import Workload
from bench.workloads import access, deferred, idle, latency, sendmail, smtp_in, tls

WORKLOADS: dict[str, Workload] = {
    workload.name: workload
    for workload in (
        smtp_in.W1,
        smtp_in.W2,
        smtp_in.W3,
        sendmail.W4,
        smtp_in.W5,
        smtp_in.W6,
        deferred.W7,
        latency.W8,
        idle.W9,
        access.W10,
        tls.W11,
        idle.W12,
        smtp_in.W1_CURVE,
        deferred.W7_CURVE,
    )
}
