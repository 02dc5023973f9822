"""A browser of few words: pages, their forms and what they answer. No script, no picture."""

from dataclasses import dataclass, field
from html.parser import HTMLParser
from http.client import HTTPException
from http.cookiejar import CookieJar
from urllib.error import HTTPError
from urllib.parse import urlencode, urljoin
from urllib.request import HTTPCookieProcessor, ProxyHandler, Request, build_opener


class WrongTurn(Exception):
    """The site did not do what it should; the message says what, in a line."""


@dataclass
class Form:
    action: str
    method: str
    values: dict[str, str] = field(default_factory=dict)
    names: set[str] = field(default_factory=set)


class FormReader(HTMLParser):
    """Collects the forms of a page: what they would send by themselves, and what can be typed or pressed."""

    def __init__(self) -> None:
        super().__init__()
        self.forms: list[Form] = []
        self._inside = False

    def handle_starttag(self, tag, attrs):
        facts = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.forms.append(Form(facts.get("action", ""), facts.get("method", "get")))
            self._inside = True
        elif self._inside and tag in ("input", "select", "button", "textarea") and "name" in facts:
            self.forms[-1].names.add(facts["name"])
            if facts.get("type") == "hidden":
                self.forms[-1].values[facts["name"]] = facts.get("value", "")

    def handle_endtag(self, tag):
        if tag == "form":
            self._inside = False


@dataclass(frozen=True)
class Page:
    url: str
    status: int
    text: str

    def form_with(self, name: str) -> Form:
        """The posted form that has a field or button of this name."""
        reader = FormReader()
        reader.feed(self.text)
        for form in reader.forms:
            if name in form.names and form.method.lower() == "post":
                return form
        raise WrongTurn(f"{self.url} has no form with {name}")


class Walk:
    """One visitor, with cookies of their own. What is not 2xx after its redirects is a WrongTurn."""

    def __init__(self, base: str, *, timeout: float = 20):
        self._base = base.rstrip("/")
        self._timeout = timeout
        # To one's own site no proxy leads.
        self._opener = build_opener(ProxyHandler({}), HTTPCookieProcessor(CookieJar()))

    def get(self, path: str) -> Page:
        return self._ask(Request(urljoin(f"{self._base}/", path)))

    def send(self, page: Page, name: str, /, **typed: str) -> Page:
        """Sends the form of `page` that has `name`, with what it carries hidden and what is `typed`."""
        form = page.form_with(name)
        body = urlencode(form.values | typed).encode()
        return self._ask(Request(urljoin(page.url, form.action), body, {"Referer": page.url}))

    def _ask(self, request: Request) -> Page:
        where = f"{request.get_method()} {request.full_url}"
        try:
            with self._opener.open(request, timeout=self._timeout) as answer:
                return Page(answer.url, answer.status, answer.read().decode())
        except HTTPError as error:
            error.close()
            raise WrongTurn(f"{where} answers {error.code}") from None
        except (OSError, HTTPException, ValueError) as error:
            raise WrongTurn(f"{where}: {type(error).__name__} {error}") from None
