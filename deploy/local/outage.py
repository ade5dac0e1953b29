"""One line about an outage: what failed, how, and when, from a run's result and the history of its orders.

outage.py SERVER RUN.json HISTORY.ndjson KILLED_NS BACK_NS VERDICT
"""

import json
import sys

server, run_file, history_file, killed, back, verdict = sys.argv[1:]
killed, back = int(killed), int(back)

with open(run_file) as file:
    requests = json.load(file)["requests"]
outcomes = {name: count for name, count in requests["by_outcome"].items() if name != "ok"}

asked, failed = {}, []
with open(history_file) as file:
    for line in file:
        record = json.loads(line)
        if record.get("kind") == "invoke":
            asked[record["index"]] = record["unix_ns"]
        elif record.get("kind") in ("fail", "info"):
            failed.append(asked[record["index"]])

if failed:
    when = f"{(min(failed) - killed) / 1e9:+.1f} s to {(max(failed) - killed) / 1e9:+.1f} s"
else:
    when = "none"
how = ", ".join(f"{count} {name}" for name, count in sorted(outcomes.items(), key=lambda item: -item[1])) or "-"
away = (back - killed) / 1e9
print(f"{server:<8} {away:6.1f} {requests['sent']:6} {requests['failed']:6}  {how:<34} {when:<28} {verdict}")
