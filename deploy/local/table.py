"""A run on everything embedded beside the same run on real servers: table.py FOLDER"""

import json
import os
import sys

folder = sys.argv[1]


def read(name):
    with open(os.path.join(folder, name)) as file:
        return file.read()


def seconds(name):
    return {server: float(time) for server, time in (line.split() for line in read(name).splitlines())}


def of_shop(processes):
    return sum(process["cpu_s"] for process in processes if process["role"].endswith(("gateway", "-api", "-rpc")))


def column(name):
    run = json.loads(read(f"{name}.json"))
    latency = run["latency_us"]["intended"]
    create = next((step for step in run["steps"] if step["name"] == "create"), {"requests": 0})
    shop = of_shop(run["processes"]) - of_shop(json.loads(read(f"{name}.status"))["processes"])
    servers = 0.0
    if name == "servers":
        before, after = seconds("before"), seconds("after")
        servers = sum(after[server] - before.get(server, 0.0) for server in after)
    orders = create["requests"] or 1
    return [
        f"{run['offered_rate']:.0f} /s",
        f"{run['achieved_rate']:.0f} /s",
        f"{latency['p50'] / 1e3:.1f} ms",
        f"{latency['p99'] / 1e3:.1f} ms",
        f"{run['requests']['sent']}",
        f"{run['requests']['failed']}",
        f"{100 * run['join']['rate']:.2f} %",
        f"{1e3 * shop / orders:.2f} ms",
        f"{1e3 * servers / orders:.2f} ms" if servers else "-",
        f"{100 * run['host']['steal']:.1f} %",
        f"{read(f'{name}.held').strip()} /s",
        read(f"{name}.verdict").strip().splitlines()[-1].removeprefix("verdict: "),
    ]


rows = [
    "offered", "achieved", "p50", "p99", "sent", "failed", "joined", "CPU of the shop per order",
    "CPU of the servers per order", "steal", "highest rate held", "verify",
]  # fmt: skip
print(f"{'':<30}{'embedded':>14}{'servers':>14}")
for row, embedded, servers in zip(rows, column("embedded"), column("servers")):
    print(f"{row:<30}{embedded:>14}{servers:>14}")
