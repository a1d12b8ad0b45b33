"""table - all workloads, in order"""

from bench.workload import Workload
from bench.workloads import smtp_in

WORKLOADS: dict[str, Workload] = {
    workload.name: workload
    for workload in (
        smtp_in.W1,
        smtp_in.W2,
        smtp_in.W3,
    )
}
