"""Plots as text of SVG: lines over logarithmic axes, and bars. No library, no script, no font of its own."""
import html
import math

COLOURS = {"colloquy": "#d1242f", "mux": "#1a1a1a", "raw": "#57606a", "asio": "#0969da", "libuv": "#1a7f37",
           "zeromq": "#9a6700", "nng": "#8250df", "grpc": "#bf3989", "bare": "#57606a"}
DASHES = ["", "6 3", "2 2", "8 3 2 3", "1 3", "10 4"]
FONT = "font-family='system-ui, sans-serif' font-size='12'"


def short(value):
    """1234567 as 1.23M."""
    for limit, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= limit:
            return f"{value / limit:.3g}{unit}"
    return f"{value:.3g}"


def text(x, y, what, anchor="start", colour="#1a1a1a", extra=""):
    return f"<text x='{x:.1f}' y='{y:.1f}' text-anchor='{anchor}' fill='{colour}' {extra}>{html.escape(what)}</text>"


def colour_of(name):
    return COLOURS.get(name.split(" ")[0], "#57606a")


def svg(width, height, parts):
    return (f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {width} {height}' width='{width}' height='{height}' "
            f"{FONT}><rect width='{width}' height='{height}' fill='#ffffff'/>" + "".join(parts) + "</svg>")


def decades(low, high):
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    return [10.0 ** d for d in range(first, max(last, first + 1) + 1)]


def lines(title, series, x_label, y_label, ticks=None, width=760, height=400):
    """series: {name: [(x, y), ...]}. Both axes are logarithmic, or x is a list of `ticks` to be taken in order."""
    series = {name: points for name, points in series.items() if points}
    if not series:
        return []
    ys = [y for points in series.values() for _, y in points if y > 0]
    grid_y = decades(min(ys), max(ys))
    xs = sorted({x for points in series.values() for x, _ in points})
    grid_x = ticks or decades(min(xs), max(max(xs), min(xs) * 10))
    left, right, top, bottom = 60, width - 230, 40, height - 50

    def at_x(x):
        if ticks:
            return left + (right - left) * (ticks.index(x) + 0.5) / len(ticks)
        return left + (right - left) * math.log10(x / grid_x[0]) / math.log10(grid_x[-1] / grid_x[0])

    def at_y(y):
        return bottom - (bottom - top) * math.log10(y / grid_y[0]) / math.log10(grid_y[-1] / grid_y[0])

    parts = [text(left, 22, title, extra="font-weight='bold'"), text(left, top - 6, y_label, colour="#57606a"),
             text(right, bottom + 36, x_label, "end", "#57606a")]
    for y in grid_y:
        parts.append(f"<line x1='{left}' x2='{right}' y1='{at_y(y):.1f}' y2='{at_y(y):.1f}' stroke='#d0d7de'/>")
        parts.append(text(left - 6, at_y(y) + 4, short(y), "end", "#57606a"))
    for x in grid_x:
        parts.append(f"<line x1='{at_x(x):.1f}' x2='{at_x(x):.1f}' y1='{top}' y2='{bottom}' stroke='#eaeef2'/>")
        parts.append(text(at_x(x), bottom + 18, x if ticks else short(x), "middle", "#57606a"))
    used = {}
    labels = []
    for name, points in series.items():
        colour = colour_of(name)
        dash = DASHES[used.setdefault(colour, 0) % len(DASHES)]
        used[colour] += 1
        path = " ".join(f"{at_x(x):.1f},{at_y(max(y, grid_y[0])):.1f}" for x, y in points)
        parts.append(f"<polyline points='{path}' fill='none' stroke='{colour}' stroke-width='2' "
                     f"stroke-dasharray='{dash}'/>")
        for x, y in points:
            parts.append(f"<circle cx='{at_x(x):.1f}' cy='{at_y(max(y, grid_y[0])):.1f}' r='3' fill='{colour}'/>")
        labels.append((points[-1][1], name, colour, dash))
    for i, (_, name, colour, dash) in enumerate(sorted(labels, reverse=True)):
        y = top + 8 + 17 * i
        parts.append(f"<line x1='{right + 14}' x2='{right + 44}' y1='{y}' y2='{y}' stroke='{colour}' stroke-width='2' "
                     f"stroke-dasharray='{dash}'/>")
        parts.append(text(right + 50, y + 4, name, colour=colour))
    return [svg(width, max(height, top + 20 + 17 * len(labels)), parts)]


def bars(title, values, unit, width=760, logarithmic=False):
    """values: [(name, value, low, high)], as they are to stand. low and high are where the rounds lay."""
    values = [v for v in values if v[1] > 0]
    if not values:
        return []
    left, right, top, step = 190, width - 110, 40, 24
    most = max(v[3] for v in values)
    least = min(min(v[2] for v in values if v[2] > 0), most / 10) / 2

    def length(v):
        if logarithmic:
            return (right - left) * max(0.0, math.log(max(v, least) / least) / math.log(most / least))
        return (right - left) * v / most

    parts = [text(10, 22, title, extra="font-weight='bold'")]
    for i, (name, value, low, high) in enumerate(values):
        y = top + step * i
        colour = colour_of(name)
        parts.append(text(left - 8, y + 13, name, "end"))
        parts.append(f"<rect x='{left}' y='{y}' width='{max(length(value), 1):.1f}' height='16' fill='{colour}' "
                     "opacity='0.85'/>")
        parts.append(f"<line x1='{left + length(low):.1f}' x2='{left + length(high):.1f}' y1='{y + 8}' y2='{y + 8}' "
                     "stroke='#1a1a1a'/>")
        parts.append(text(left + max(length(value), length(high)) + 6, y + 13, f"{short(value)} {unit}"))
    note = ["logarithmic"] if logarithmic else []
    if note:
        parts.append(text(width - 10, 22, note[0], "end", "#57606a"))
    return [svg(width, top + step * len(values) + 10, parts)]


def stack(pictures):
    """Pictures of one width, one below the other, as one."""
    import re
    sizes = [tuple(map(int, re.search(r"viewBox='0 0 (\d+) (\d+)'", p).groups())) for p in pictures]
    parts, y = [], 0
    for picture, (_, height) in zip(pictures, sizes):
        parts.append(picture.replace("<svg ", f"<svg y='{y}' ", 1))
        y += height
    return svg(max(w for w, _ in sizes), y, parts)
