"""A person without a mouse: everything is reached by Tab, and they always see where they are."""

import re

from playwright.sync_api import Page

FOCUS = """() => {
    const one = document.activeElement;
    const label = one.labels?.[0];
    const ringed = [one, label, label?.querySelector("span"), one.nextElementSibling].filter(Boolean);
    return {
        words: [one.getAttribute("aria-label"), one.innerText, label?.innerText, one.title]
            .filter(Boolean).join(" ").trim(),
        seen: one === document.body || ringed.some(box => {
            const style = getComputedStyle(box);
            return style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2;
        }),
        place: one.outerHTML.slice(0, 120),
    };
}"""


class Keyboard:
    def __init__(self, page: Page):
        self._page = page

    def press(self, key: str) -> None:
        """A key; where it leads within the page must be visible."""
        self._page.keyboard.press(key)
        if key == "Tab":
            focus = self.focus()
            assert focus["seen"], f"no visible focus on {focus['place']}"

    def type(self, words: str) -> None:
        self._page.keyboard.type(words)

    def focus(self) -> dict:
        return self._page.evaluate(FOCUS)

    def go_to(self, words: str, most: int = 80) -> None:
        """Tab until the focus is on what says `words`."""
        passed = []
        for _n in range(most):
            self.press("Tab")
            passed.append(self.focus()["words"])
            if re.search(rf"\b{re.escape(words)}", passed[-1]):
                return
        raise AssertionError(f"Tab never comes to “{words}”, only to {passed}")
