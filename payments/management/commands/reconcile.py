from datetime import datetime, time, timedelta

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone
from django.utils.dateparse import parse_date, parse_datetime
from tqdm import tqdm

from clinic import money
from payments import gateways
from payments.gateways.base import GatewayError
from payments.reconcile_actions import ask_somebody, settle
from payments.reconcile_queries import Comparison, Difference, with_book

ON_ITS_WAY = timedelta(minutes=15)
"""What is younger may not have been told to us yet."""


def moment(text: str) -> datetime:
    """A day or a moment as typed, in the clinic's zone."""
    found = parse_datetime(text) if len(text) > 10 else None
    day = parse_date(text) if found is None else None
    if found is None and day is None:
        raise ValueError(text)
    found = found or datetime.combine(day, time())
    return found if timezone.is_aware(found) else timezone.make_aware(found)


class Command(BaseCommand):
    help = (
        "Compares our payments and refunds with each gateway's own list, in both directions, and prints "
        "what differs. Ends with status 1 where something does."
    )

    def add_arguments(self, parser):
        since = parser.add_mutually_exclusive_group(required=True)
        since.add_argument("--since", type=moment, help="2026-11-01, or 2026-11-01T09:30")
        since.add_argument("--days", type=int, help="the last so many days, as for a nightly run")
        parser.add_argument("--until", type=moment, help="up to here; a quarter of an hour ago if not said")
        parser.add_argument("--gateway", action="append", help="this one alone; may be said again")
        parser.add_argument(
            "--settle", action="store_true", help="settle what can be; raise a ReviewItem for the rest"
        )

    def handle(self, *, since, days, until, gateway, settle: bool, **options):
        until = until or timezone.now() - ON_ITS_WAY
        since = since or until - timedelta(days=days)
        if until <= since:
            raise CommandError("There is no time between --since and --until.")
        known = with_book(since, until)
        if strangers := set(gateway or ()) - set(known):
            raise CommandError(f"No gateway with a list of its own here: {', '.join(sorted(strangers))}")
        found, silent = [], []
        for name in gateway or known:
            try:
                found += self._gateway(name, since, until, settle=settle)
            except GatewayError as error:
                silent.append(f"{name} did not answer ({error.message})")
        if silent:
            raise CommandError("; ".join([*silent, "so it was not compared. Try again."]), returncode=2)
        if found:
            raise CommandError(f"Differences: {len(found)}")

    def _gateway(self, *asked, settle: bool) -> list[Difference]:
        """Compares, and prints. What was settled is compared again, so that what is printed is true."""
        books, found = self._compare(*asked)
        if settle and found:
            self._settle(found)
            books, found = self._compare(*asked)
            for difference in found:
                ask_somebody(difference)
        self._print(books, found)
        return found

    def _compare(self, gateway: str, since, until) -> tuple[Comparison, list[Difference]]:
        with tqdm(desc=gateway, unit=" sums", disable=None) as bar:
            books = Comparison(gateway, since, until, tick=bar.update)
            return books, list(books.differences())

    def _settle(self, found: list[Difference]) -> None:
        for difference in tqdm(found, desc="settling", disable=None):
            settle(difference)

    def _print(self, books: Comparison, found: list[Difference]) -> None:
        label = gateways.label(books.gateway)
        self.stdout.write(f"\n{books.gateway} ({label}), {_minute(books.since)} – {_minute(books.until)}")
        if found:
            head = "what", "theirs", "ours", "its name there", "payment", "in Review"
            rows = [head, *(_row(difference) for difference in found)]
            widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
            for row in rows:
                cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
                self.stdout.write(("  " + "  ".join(cells)).rstrip())
        for currency in sorted(filter(None, {*books.theirs, *books.ours})):
            theirs, ours = books.theirs[currency], books.ours[currency]
            self.stdout.write(
                f"  Kept: {money.display(theirs, currency)} there, {money.display(ours, currency)} here,"
                f" difference {money.signed(theirs - ours, currency)}"
            )
        self.stdout.write(
            f"  {books.payments} payments and {books.refunds} refunds compared, {len(found)} differences"
        )


def _row(difference: Difference) -> tuple[str, ...]:
    return (
        str(difference.fact.label),
        money.display(difference.theirs_minor, difference.currency),
        money.display(difference.ours_minor, difference.currency),
        difference.name,
        str(difference.payment.pk) if difference.payment else "",
        "yes" if difference.in_review else "no",
    )


def _minute(at: datetime) -> str:
    return f"{timezone.localtime(at):%Y-%m-%d %H:%M}"
