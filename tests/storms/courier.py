"""Brings the stand-ins' webhooks to the clinic, as badly as the network and an attacker can."""

import hmac
import json
import random
import re
import threading
import time
from collections import Counter, deque
from dataclasses import dataclass, field
from urllib.error import HTTPError
from urllib.request import ProxyHandler, Request, build_opener

from payments.gateways.signing import sign
from tests.storms import wire
from tests.storms.payers import webhook

NAMES = re.compile(
    r"cs_test_[0-9a-f]{32}|pi_[0-9a-f]{32}|order_[0-9a-f]{14}|pay_[0-9a-f]{14}"
    r"|[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
)
SECRET, PREVIOUS, FORGERS = "whsec_soak", "whsec_soak_before", "whsec_forged"
AT_ONCE, TRIES = 24, 6
DIRECT = build_opener(ProxyHandler({}))


@dataclass(eq=False)
class Life:
    """One patient: who they pay, and what goes wrong for them, decided before it begins."""

    gateway: str
    faults: frozenset[str]
    public_id: str = ""
    begun: dict[str, str] = field(default_factory=dict)
    """The gateway's name of the attempt, by gateway."""
    money: list[tuple[str, str]] = field(default_factory=list)
    """Gateway and its name of every payment that was made."""


class StandIn:
    """A gateway's stand-in, which is a process of its own: its levers, and what it has to tell."""

    def __init__(self, name: str, url: str):
        self.name, self.url = name, url
        self._read = 0

    def pull(self, lever: str, **asked) -> dict:
        """Raises Refused where the stand-in says no."""
        request = Request(f"{self.url}/_control/{lever}", json.dumps(asked).encode())
        try:
            with DIRECT.open(request, timeout=120) as answer:
                return json.load(answer)
        except HTTPError as no:
            with no:
                raise Refused(f"{lever}: {no.read()}") from None

    def news(self) -> list[str]:
        """The events since the last time, as they will be posted."""
        told = self.pull("events", **{"from": self._read})["events"]
        self._read += len(told)
        return [event["body"] for event in told]

    def signed(self, body: str, secret: str) -> bytes:
        raw = body.encode()
        if self.name == "stripe":
            return webhook(self.name, raw, "Stripe-Signature", sign(raw, secret, at=int(time.time())))
        signature = hmac.new(secret.encode(), raw, "sha256").hexdigest()
        return webhook(self.name, raw, "X-Razorpay-Signature", signature)


class Refused(Exception):
    pass


@dataclass
class Post:
    stand_in: StandIn
    body: str
    secret: str = SECRET
    tries: int = 0

    @property
    def forged(self) -> bool:
        return self.secret == FORGERS


class Courier:
    """Takes what the stand-ins tell, and delivers it until it is taken, round by round.

    What becomes of an event its patient's life says: lost, brought twice, in another order, late,
    signed by the secret of before, or with a forged copy beside it.
    """

    DELAYS = {"disorder": 3, "late": 12}
    """Rounds by which an event comes late."""

    def __init__(self, port: int, stand_ins: list[StandIn], dice: random.Random):
        self.port, self.stand_ins, self.dice = port, stand_ins, dice
        self.answers: Counter[str] = Counter()
        self.done: Counter[str] = Counter()
        """How many events each fault was done to."""
        self._lives: dict[str, Life] = {}
        self._bag: deque[tuple[int, Post]] = deque()
        self._round = 0
        self._one = threading.Lock()

    def knows(self, name: str, life: Life) -> None:
        self._lives[name] = life

    def bounces(self, name: str) -> bool:
        life = self._lives.get(name)
        return life is not None and "bounced" in life.faults

    def round(self, *, last: bool = False) -> int:
        """Takes the news, and delivers what is due by now, or everything. Returns how many were posted."""
        with self._one:
            self._round += 1
            for stand_in in self.stand_ins:
                for body in stand_in.news():
                    self._take(stand_in, body)
            due = [post for at, post in self._bag if last or at <= self._round]
            self._bag = deque((at, post) for at, post in self._bag if not last and at > self._round)
            self.dice.shuffle(due)
        for first in range(0, len(due), AT_ONCE):
            self._post(due[first : first + AT_ONCE])
        return len(due)

    def _take(self, stand_in: StandIn, body: str) -> None:
        names = NAMES.findall(body)
        life = next((self._lives[name] for name in names if name in self._lives), None)
        faults = life.faults if life else frozenset()
        self._lives |= dict.fromkeys(names, life) if life else {}
        posts, at = [Post(stand_in, body)], self._round
        for fault in faults & {"lost", "twice", "disorder", "late", "old_secret", "forged"}:
            self.done[fault] += 1
        if "old_secret" in faults:
            posts[0].secret = PREVIOUS
        if "twice" in faults:
            posts *= 2
        if "lost" in faults:
            posts = []
        if "forged" in faults:
            posts.append(Post(stand_in, body.replace("50000", "49000"), FORGERS))
        for fault, rounds in self.DELAYS.items():
            at += self.dice.randint(1, rounds) if fault in faults else 0
        self._bag += [(at, post) for post in posts]

    def _post(self, posts: list[Post]) -> None:
        messages = [post.stand_in.signed(post.body, post.secret) for post in posts]
        answers = wire.race(self.port, messages, patience=120)
        with self._one:
            for post, answer in zip(posts, answers, strict=True):
                self.answers[f"{'forged' if post.forged else 'webhook'} {answer.status}"] += 1
                if not 0 < answer.status < 500:
                    self._again(post)

    def _again(self, post: Post) -> None:
        """As a gateway does with what was not taken; not for ever."""
        post.tries += 1
        if post.tries < TRIES:
            self._bag.append((self._round + post.tries, post))
        else:
            self.answers["webhook given up"] += 1
