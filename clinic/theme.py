"""A clinic's own colour, kept readable: settings.CLINIC_ACCENT becomes the variables of site.css."""

import re
from functools import cache

WHITE, BLACK = (255, 255, 255), (0, 0, 0)
PAPER_DARK = (15, 21, 19)
"""--paper of site.css in dark mode."""
SEEN = 1.3
"""The least contrast of a button with its page. What it says is told by its ink, which has 4.5 and more."""


@cache
def css(accent: str) -> str:
    """:root rules for light and dark, or nothing for what is no colour (site.css has its own)."""
    colour = parse(accent)
    if colour is None:
        return "/* CLINIC_ACCENT is not set */\n"
    light, dark = against(WHITE, colour), against(PAPER_DARK, colour)
    return f":root {{ {rule(light)} }}\n@media (prefers-color-scheme: dark) {{ :root {{ {rule(dark)} }} }}\n"


def parse(accent: str) -> tuple[int, int, int] | None:
    """#rgb or #rrggbb as three numbers; None for everything else."""
    found = re.fullmatch(r"#([0-9a-f]{3}|[0-9a-f]{6})", accent.strip(), re.IGNORECASE)
    if not found:
        return None
    digits = found[1] if len(found[1]) == 6 else "".join(digit * 2 for digit in found[1])
    return tuple(bytes.fromhex(digits))


def rule(colour) -> str:
    ink = max(WHITE, BLACK, key=lambda candidate: contrast(candidate, colour))
    return f"--accent: {hexa(colour)}; --accent-ink: {hexa(ink)};"


def against(paper, colour):
    """The colour, moved away from the paper until a button in it can be seen there."""
    away = max(WHITE, BLACK, key=lambda candidate: contrast(candidate, paper))
    steps = (mix(colour, away, step / 20) for step in range(21))
    return next(shade for shade in steps if contrast(shade, paper) >= SEEN)


def mix(one, other, share: float):
    return tuple(round(a + (b - a) * share) for a, b in zip(one, other, strict=True))


def contrast(one, other) -> float:
    """1–21: https://www.w3.org/TR/WCAG22/#dfn-contrast-ratio."""
    bright, dim = sorted((luminance(one), luminance(other)), reverse=True)
    return (bright + 0.05) / (dim + 0.05)


def luminance(colour) -> float:
    """0–1: https://www.w3.org/TR/WCAG22/#dfn-relative-luminance."""
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in (v / 255 for v in colour)]
    return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def hexa(colour) -> str:
    return "#" + bytes(colour).hex()
