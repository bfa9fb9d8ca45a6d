"""What bench/compare.py has measured, told: tables of Markdown, a page of HTML that stands alone, a picture."""
import html
import json
import statistics

import plots

WORKLOADS = {
    "rtt1": "One conversation: round trip",
    "concurrent": "Many at once on one connection (or a connection each)",
    "oneshot": "Short conversations: open, request, reply, close",
    "links": "A connection for each conversation",
    "bulk": "One way, 32 KiB records",
    "idle": "Memory of a conversation that rests",
    "inproc": "Inside one process: a record sent and received",
    "openloop": "Open loop: latency from the moment a request was meant to begin",
}
# What others are put beside: the least that the job can cost.
BOUNDS = {"rtt1": ("raw", "blocking"), "concurrent": ("mux", "multiplexer"), "oneshot": ("mux", "multiplexer"),
          "links": ("raw", "epoll"), "bulk": ("raw", "tcp"), "inproc": ("bare", "queue-one-thread")}
STARVED = ("Less than seven tenths of the conversations were under way on the average: others waited beyond the end of "
           "the run, so that latencies are those of the lucky ones.")

# What one conversation alone is called that goes on as one of many.
AS_MANY = {("raw", "blocking"): "epoll", ("asio", "connection"): "connections", ("libuv", "connection"): "connections",
           ("nng", "blocking"): "contexts"}


def spread(values):
    return {"median": statistics.median(values), "low": min(values), "high": max(values), "rounds": len(values)}


def summarise(runs):
    """Runs of the same case as one: medians, with the lowest and the highest."""
    cases = {}
    for run in runs:
        cases.setdefault((run["case"], run["peer"], run["variant"], run["conversations"], run.get("share", 0)),
                         []).append(run)
    told = []
    for (case, peer, variant, conversations, share), same in cases.items():
        one = {"case": case, "peer": peer, "variant": variant, "conversations": conversations, "share": share,
               "size": same[0]["size"], "rate": same[0]["rate"]}

        def take(name, *path):
            found = []
            for run in same:
                value = run
                for key in path:
                    value = value.get(key) if isinstance(value, dict) else None
                if value is not None:
                    found.append(value)
            if found:
                one[name] = spread(found)

        take("per_second", "transactions_per_second")
        take("bytes_per_second", "bytes_per_second")
        for p in ("p50", "p90", "p99", "p999", "max"):
            take(p, "latency_us", p)
        for side in ("client", "server"):
            take(f"processor_{side}", "processor_us", side)
            take(f"bytes_{side}", "bytes_each", side)
        take("bytes_kernel", "bytes_each", "kernel_both")
        take("writes", "writes_per_thousand")
        take("under_way", "under_way")
        told.append(one)
    return told


def starved(c):
    """Whether a good part of the conversations waited all the time while others were served: its latencies then are
    those of the lucky ones."""
    return c["case"] in ("concurrent", "links") and "under_way" in c and \
        median(c, "under_way") < 0.7 * c["conversations"]


def name_of(c):
    return f"{c['peer']} {c['variant']}"


def median(c, key):
    return c[key]["median"] if key in c else None


def of(cases, case):
    return [c for c in cases if c["case"] == case]


def number(value, form):
    return "" if value is None else format(value, form)


def best_first(cases, key):
    return sorted(cases, key=lambda c: -(median(c, key) or 0))


# --- tables ---------------------------------------------------------------------------------------------------------

def columns_of(case):
    """Heads, and what stands below each."""
    rate = ("transactions/s", lambda c, _: number(median(c, "per_second"), ",.0f"))
    scatter = ("lowest to highest", lambda c, _: f"{c['per_second']['low']:,.0f} to {c['per_second']['high']:,.0f}")
    p50 = ("p50, us", lambda c, _: number(median(c, "p50"), ",.1f"))
    p99 = ("p99, us", lambda c, _: number(median(c, "p99"), ",.1f"))
    processor = ("processor, us each: client + server",
                 lambda c, _: f"{number(median(c, 'processor_client'), '.3f')} + "
                              f"{number(median(c, 'processor_server'), '.3f')}")

    def beside(c, bound):
        if bound is None:
            return ""
        if case == "rtt1":
            return f"{median(c, 'p50') / median(bound, 'p50'):.2f} x its p50"
        return f"{median(c, 'per_second') / median(bound, 'per_second'):.3f}"

    bound = ("beside the bound", beside)
    if case == "idle":
        return [("bytes, client", lambda c, _: number(median(c, "bytes_client"), ",.0f")),
                ("bytes, server", lambda c, _: number(median(c, "bytes_server"), ",.0f")),
                ("bytes of the kernel, both", lambda c, _: number(median(c, "bytes_kernel"), ",.0f"))]
    if case == "bulk":
        return [("GB/s", lambda c, _: number(median(c, "bytes_per_second") / 1e9, ".2f")), bound, scatter, processor]
    if case == "inproc":
        return [rate, ("ns each", lambda c, _: number(1e9 / median(c, "per_second"), ",.1f")), bound, scatter]
    if case == "openloop":
        return [("of its capacity", lambda c, _: f"{c['share']:.0%}"),
                ("asked/s", lambda c, _: number(c["rate"], ",.0f")), ("done/s", rate[1]), p50, p99,
                ("p99.9, us", lambda c, _: number(median(c, "p999"), ",.1f"))]
    return [rate, bound, p50, p99, processor, scatter]


def rows_of(cases, case):
    key = {"idle": "bytes_client", "bulk": "bytes_per_second"}.get(case, "per_second")
    mine = of(cases, case)
    for conversations in sorted({c["conversations"] for c in mine}):
        same = [c for c in mine if c["conversations"] == conversations]
        found = [c for c in same if (c["peer"], c["variant"]) == BOUNDS.get(case)]
        same = sorted(same, key=lambda c: median(c, "p50")) if case == "rtt1" else best_first(same, key)
        for c in same if case != "idle" else reversed(same):
            yield c, found[0] if found else None


def table_of(cases, case):
    columns = columns_of(case)
    several = len({c["conversations"] for c in of(cases, case)}) > 1 or case in ("idle", "links")
    heads = ["implementation"] + (["conversations"] if several else []) + [head for head, _ in columns]
    rows = [[name_of(c) + (" (*)" if starved(c) else "")] + ([f"{c['conversations']:,}"] if several else [])
            + [cell(c, bound) for _, cell in columns] for c, bound in rows_of(cases, case)]
    return heads, rows


def markdown(result):
    lines = [f"Medians of {result['settings']['rounds']} rounds of {result['settings']['duration']:g} s, "
             f"interleaved in random order; {result['machine']['processors']} processors, "
             f"{result['machine']['model']}, {'pinned' if result['settings']['pinned'] else 'not pinned'}, "
             f"load average {result['machine']['load_before']:.1f} before "
             f"and {result['machine']['load_after']:.1f} after.", ""]
    for case, title in WORKLOADS.items():
        if not of(result["cases"], case):
            continue
        heads, rows = table_of(result["cases"], case)
        lines += [f"**{title}**", "", "| " + " | ".join(heads) + " |", "|" + "---|" * len(heads)]
        lines += ["| " + " | ".join(row) + " |" for row in rows] + [""]
        if any(starved(c) for c in of(result["cases"], case)):
            lines += [f"(*) {STARVED}", ""]
    if result["failed"]:
        lines += ["Without a result: " + "; ".join(sorted({f["what"] for f in result["failed"]})) + ".", ""]
    return "\n".join(lines)


# --- pictures -------------------------------------------------------------------------------------------------------

def rates_over_n(cases):
    series = {}
    for c in sorted(of(cases, "concurrent"), key=lambda c: c["conversations"]):
        series.setdefault(name_of(c), []).append((c["conversations"], median(c, "per_second")))
    for c in of(cases, "rtt1"):
        name = f"{c['peer']} {AS_MANY.get((c['peer'], c['variant']), c['variant'])}"
        if name in series and median(c, "per_second"):
            series[name] = [(1, median(c, "per_second"))] + [p for p in series[name] if p[0] != 1]
    return plots.lines("Requests answered a second, over conversations at once", series, "conversations", "per second")


def percentiles(cases, case, conversations, title):
    series = {}
    ticks = ["p50", "p90", "p99", "p999", "max"]
    for c in of(cases, case):
        if c["conversations"] == conversations and "p50" in c:
            series[name_of(c)] = [(p, max(median(c, p), 0.1)) for p in ticks]
    return plots.lines(title, series, "share of all", "microseconds", ticks=ticks)


def bars_of(cases, case, key, title, unit, scale=1.0, ascending=False, logarithmic=False):
    values = [(name_of(c), c[key]["median"] * scale, c[key]["low"] * scale, c[key]["high"] * scale)
              for c in of(cases, case) if key in c]
    values.sort(key=lambda v: v[1] if ascending else -v[1])
    return plots.bars(title, values, unit, logarithmic=logarithmic)


def memory_bars(cases):
    values = []
    for c in of(cases, "idle"):
        both = [c[k] for k in ("bytes_client", "bytes_server") if k in c]
        kernel = max(median(c, "bytes_kernel") or 0, 0)
        value = sum(b["median"] for b in both) + kernel
        values.append((f"{name_of(c)} ({plots.short(c['conversations'])})", value, value, value))
    values.sort(key=lambda v: v[1])
    return plots.bars("Memory of a conversation that rests, both ends and the kernel's part", values, "B",
                      logarithmic=True)


def open_loop(cases):
    series = {}
    for c in sorted(of(cases, "openloop"), key=lambda c: c["share"]):
        if "p99" in c:
            series.setdefault(name_of(c), []).append((f"{c['share']:.0%}", max(median(c, "p99"), 0.1)))
    ticks = sorted({x for points in series.values() for x, _ in points}, key=lambda t: float(t[:-1]))
    return plots.lines("Open loop: p99 at shares of its own capacity", series, "of capacity", "microseconds",
                       ticks=ticks)


def pictures(cases):
    counts = sorted({c["conversations"] for c in of(cases, "concurrent")})
    yield from rates_over_n(cases)
    yield from percentiles(cases, "rtt1", 1, "One conversation: latency of a round trip")
    for n in counts:
        yield from percentiles(cases, "concurrent", n, f"Latency with {n:,} conversations at once")
    yield from bars_of(cases, "oneshot", "per_second", "Short conversations a second", "/s", logarithmic=True)
    yield from bars_of(cases, "links", "per_second", "A connection each: answers a second", "/s")
    yield from bars_of(cases, "bulk", "bytes_per_second", "One way, 32 KiB records", "GB/s", 1e-9)
    yield from memory_bars(cases)
    yield from bars_of(cases, "inproc", "per_second", "Inside one process: records a second", "/s", logarithmic=True)
    yield from open_loop(cases)


def picture(result):
    """The one for the README: rates over conversations, and the round trip of one."""
    cases = result["cases"]
    parts = rates_over_n(cases) + bars_of(cases, "rtt1", "p50", "One conversation: median round trip", "us",
                                          ascending=True)
    return plots.stack(parts) if parts else plots.svg(760, 40, [plots.text(10, 24, "nothing was measured")])


def page(result):
    style = ("body{font-family:system-ui,sans-serif;max-width:64rem;margin:2rem auto;padding:0 1rem;color:#1a1a1a}"
             "table{border-collapse:collapse;margin:1rem 0}td,th{border:1px solid #d0d7de;padding:.25rem .6rem;"
             "text-align:right}td:first-child,th:first-child{text-align:left}tr:hover{background:#f6f8fa}"
             "svg{max-width:100%;height:auto}details{margin:2rem 0}pre{overflow:auto}")
    machine, settings = result["machine"], result["settings"]
    parts = ["<!doctype html><html lang='en'><meta charset='utf-8'>"
             "<meta name='viewport' content='width=device-width'><title>Colloquy and its peers</title>"
             f"<style>{style}</style><h1>Colloquy and its peers</h1>",
             f"<p>{html.escape(machine['model'])}, {machine['processors']} processors, Linux "
             f"{html.escape(machine['kernel'])}; both ends on this machine over loopback"
             f"{', each pinned to a processor' if settings['pinned'] else ''}. {settings['rounds']} rounds of "
             f"{settings['duration']:g} s in random order (seed {settings['seed']}), medians. Load average "
             f"{machine['load_before']:.1f} before, {machine['load_after']:.1f} after: ratios count, and "
             "processor time does not depend on what else ran.</p>"]
    parts += [f"<figure>{p}</figure>" for p in pictures(result["cases"])]
    for case, title in WORKLOADS.items():
        if not of(result["cases"], case):
            continue
        heads, rows = table_of(result["cases"], case)
        parts.append(f"<h2>{html.escape(title)}</h2><table><tr>"
                     + "".join(f"<th>{html.escape(h)}</th>" for h in heads) + "</tr>"
                     + "".join("<tr>" + "".join(f"<td>{html.escape(v)}</td>" for v in row) + "</tr>" for row in rows)
                     + "</table>" + (f"<p>(*) {STARVED}</p>" if any(starved(c) for c in of(result["cases"], case))
                                     else ""))
    if result["failed"]:
        parts.append("<h2>Without a result</h2><ul>" + "".join(
            f"<li>{html.escape(f['what'])}: {html.escape(f['why'])}</li>" for f in result["failed"]) + "</ul>")
    parts.append("<details><summary>All of it as JSON</summary><pre>"
                 + html.escape(json.dumps(result, indent=1)) + "</pre></details></html>")
    return "".join(parts)
