# SPDX-License-Identifier: Apache-2.0
"""Bar charts as SVG, one small panel for each measure; readable on light and on dark pages."""
from html import escape

PANEL, GAP, BAR, ROW, TOP, LEFT = 270, 30, 14, 24, 58, 16
NAMES = 128  # width of the names before the bars

STYLE = """
text{font:12px system-ui,-apple-system,"Segoe UI",Helvetica,Arial,sans-serif;fill:#1f2328}
.t{font-weight:600;font-size:13px}.u{fill:#656d76;font-size:11px}.ours{fill:#0a7f78}.peer{fill:#afb8c1}.floor{fill:none;stroke:#8c959f;stroke-dasharray:3 2}
.b{font-weight:600}.w{stroke:#57606a;stroke-width:1}
@media (prefers-color-scheme:dark){text{fill:#e6edf3}.u{fill:#8d96a0}.ours{fill:#2dd4bf}.peer{fill:#57606a}.floor{stroke:#8d96a0}.w{stroke:#b1bac4}}
"""


def number(v):
    if v >= 1000:
        return f"{v:,.0f}"
    return f"{v:.0f}" if v >= 100 else f"{v:.1f}" if v >= 10 else f"{v:.2g}"


def bar(x, y, width, row, scale):
    name, value, worst, kind = row
    w = max(1.5, value * scale)
    strong = ' class="b"' if kind == "ours" else ""
    end = x + NAMES + max(w, worst * scale)
    return [
        f'<text x="{x + NAMES - 8}" y="{y + BAR - 3}" text-anchor="end"{strong}>{escape(name)}</text>',
        f'<rect x="{x + NAMES}" y="{y}" width="{w:.1f}" height="{BAR}" rx="2" class="{kind}"/>',
        f'<path class="w" d="M{x + NAMES + w:.1f} {y + BAR / 2}H{x + NAMES + worst * scale:.1f}"/>',
        f'<text x="{end + 6:.1f}" y="{y + BAR - 3}"{strong}>{number(value)}</text>',
    ]


def panel(x, y, title, unit, rows):
    width = PANEL - NAMES - 44
    scale = width / max(max(r[1], r[2]) for r in rows)
    out = [f'<text class="t" x="{x}" y="{y + 14}">{escape(title)}</text>', f'<text class="u" x="{x}" y="{y + 30}">{escape(unit)}</text>']
    for i, row in enumerate(rows):
        out += bar(x, y + TOP - 16 + i * ROW, width, row, scale)
    return out


def draw(panels, columns=3):
    """panels: (title, unit, rows); a row is (name, median, worst round, "ours", "peer" or "floor")."""
    lines = [panels[i : i + columns] for i in range(0, len(panels), columns)]
    heights = [TOP + max(len(p[2]) for p in line) * ROW for line in lines]
    width, total = 2 * LEFT + columns * PANEL + (columns - 1) * GAP, sum(heights) + LEFT
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{total}" viewBox="0 0 {width} {total}" role="img">']
    out += ["<!-- SPDX-License-Identifier: Apache-2.0 -->", "<title>Meshwright's Kubernetes client and its peers; shorter is better</title>", f"<style>{STYLE}</style>"]
    for i, line in enumerate(lines):
        for k, (title, unit, rows) in enumerate(line):
            out += panel(LEFT + k * (PANEL + GAP), LEFT + sum(heights[:i]), title, unit, rows)
    return "\n".join([*out, "</svg>", ""])
