"""What a bank says it paid: read exactly, looked at first, then done whole, once."""

import csv
import io
from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import date
from uuid import uuid4

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from clinic.errors import Refused
from clinic.models import ReviewItem
from payments import settlement_rules, sweeps
from payments.ledger_models import LedgerEntry, Payout
from payments.management.commands.check_invariants import violations
from payments.payout_actions import ask_for, move_payout
from payments.settlement_actions import settle_payouts
from payments.settlement_queries import Preview, judge
from payments.states import Verdict
from tests import factories as f
from tests.racing import Meeting, at_once, without_locks
from tests.test_races import unwatched  # noqa: F401  (a fixture)

pytestmark = pytest.mark.django_db
HEADINGS = ["Reference ID", "UTR", "Amount", "Currency", "Status", "Date", "Failure Reason"]


def payout(status="processing", *, amount_minor=20000, **fields) -> Payout:
    """A doctor's payout, asked for and started unless said."""
    doctor = fields.get("doctor") or f.doctor()
    f.paid(f.window(doctor=doctor))
    sweeps.book_ledger()
    made = ask_for(doctor, amount_minor=amount_minor, key=uuid4(), actor=f.user())
    for state in {"requested": [], "processing": ["processing"]}.get(status, ["processing", status]):
        words = {"completed": {"reference": fields.get("reference", "UTR 1")}, "failed": {"reason": "closed"}}
        move_payout(made.pk, state, **words.get(state, {}), actor=f.user())
    made.refresh_from_db()
    return made


def row(payout, **cells) -> list[str]:
    """What the bank says of a payout: paid today, all of it, unless said."""
    usual = {
        "reference": payout.code if payout else "", "utr": f"UTR{payout.pk if payout else 0}", "amount": "200.00",
        "currency": "INR", "status": "processed", "date": "20/11/2026", "reason": "",
    }  # fmt: skip
    return list((usual | cells).values())


def file(*rows, headings=HEADINGS, **options) -> bytes:
    out = io.StringIO()
    csv.writer(out, **options).writerows([headings, *rows])
    return out.getvalue().encode()


def read(data: bytes):
    return settlement_rules.read(data, currency="INR")


def preview(data: bytes) -> Preview:
    return Preview(judge(read(data)))


def verdicts(data: bytes) -> list[str]:
    return [judged.verdict for judged in preview(data).lines]


def settle(data: bytes, actor=None):
    return settle_payouts(data, seen=preview(data).fingerprint, actor=actor or f.user())


def books() -> tuple:
    """All that an import could change."""
    return (
        list(
            Payout.objects.order_by("pk").values_list("status", "reference", "reason", "paid_on", "ended_at")
        ),
        LedgerEntry.objects.count(),
        ReviewItem.objects.count(),
    )


# --- What becomes of a line ---------------------------------------------------------------


def test_a_paid_line_ticks_its_payout_off_with_the_banks_reference_and_day():
    paid = payout()
    settle(file(row(paid)))
    paid.refresh_from_db()
    assert (paid.status, paid.reference, paid.paid_on) == ("completed", f"UTR{paid.pk}", date(2026, 11, 20))
    assert paid.entry.amount_minor == -20000
    assert violations() == {}
    assert not ReviewItem.objects.exists()


def test_a_failed_line_gives_the_promise_back_with_the_banks_reason():
    failed, silent = payout(), payout()
    settle(
        file(row(failed, status="reversed", reason="account closed", utr=""), row(silent, status="failed"))
    )
    failed.refresh_from_db()
    silent.refresh_from_db()
    assert (failed.status, failed.reason) == ("failed", "account closed")
    assert (silent.status, silent.reason) == ("failed", "The bank gave no reason.")
    assert LedgerEntry.objects.filter(kind="payout").count() == 0
    assert violations() == {}


def test_the_same_file_again_changes_nothing():
    data = file(row(payout()), row(payout(), status="failed"), row(None, utr="UTR77"))
    settle(data)
    before = books()
    assert verdicts(data) == ["known", "known", "unknown"]
    settle(data)
    assert books() == before


def test_what_is_still_on_its_way_waits():
    waiting = payout()
    data = file(row(waiting, status="in_transit", utr=""))
    assert verdicts(data) == ["waiting"]
    before = books()
    settle(data)
    assert books() == before


@pytest.mark.parametrize(
    ("status", "cells", "verdict"),
    [
        ("processing", {"amount": "200.01"}, Verdict.DIFFERS),
        ("processing", {"currency": "USD"}, Verdict.DIFFERS),
        ("processing", {"reference": "PO999999-0000"}, Verdict.UNKNOWN),
        ("requested", {}, Verdict.CONTRADICTS),
        ("failed", {}, Verdict.CONTRADICTS),
        ("completed", {"utr": "UTR another"}, Verdict.CONTRADICTS),
        ("completed", {"status": "returned"}, Verdict.CONTRADICTS),
    ],
)
def test_what_does_not_fit_is_put_down_to_look_at_once(status, cells, verdict):
    data = file(row(payout(status), **cells))
    assert verdicts(data) == [verdict]
    payouts, entries, items = books()
    settle(data)
    settle(data)
    assert books() == (payouts, entries, items + 1)
    assert violations() == {}


def test_a_mistyped_code_is_nobodys():
    paid = payout()
    check = "0000" if not paid.code.endswith("0000") else "1111"
    assert verdicts(file(row(paid, reference=f"PO{paid.pk}-{check}"))) == ["unknown"]


@pytest.mark.parametrize("wrap", ["NEFT/{}/DR RAO", "{} salary", "neft-{}"])
def test_a_code_is_found_in_the_text_of_a_transfer(wrap):
    paid = payout()
    for code in (paid.code, paid.code.lower(), paid.code.replace("-", ""), paid.code.replace("-", " ")):
        assert verdicts(file(row(paid, reference=wrap.format(code)))) == ["paid"]


def test_a_transfer_with_the_codes_of_two_payouts_is_neithers():
    one, other = payout(), payout()
    assert verdicts(file(row(one, reference=f"{one.code} {other.code}"))) == ["unknown"]


def test_what_was_ticked_off_by_hand_is_known_by_its_reference():
    payout("completed", reference="UTR 5")
    assert verdicts(file(row(None, reference="consulting", utr="UTR 5"))) == ["known"]


def test_one_transfer_does_not_pay_two_payouts():
    payout("completed", reference="UTR 5")
    data = file(row(payout(), utr="UTR 5"))
    assert verdicts(data) == ["contradicts"]
    settle(data)
    assert Payout.objects.paid().count() == 1


# --- What cannot be read ------------------------------------------------------------------


def nothing_happens(data: bytes, *words: str) -> None:
    """The file is refused in these words, and nothing was changed."""
    before = books()
    try:
        judged = preview(data)
    except settlement_rules.Unreadable as error:
        said = str(error)
    else:
        said = " ".join(each.why for each in judged.lines)
        with pytest.raises(Refused) as refused:
            settle(data)
        assert refused.value.code == "WRONG"
    assert all(word in said for word in words), said
    assert books() == before


@pytest.mark.parametrize(
    ("cells", "words"),
    [
        ({"amount": "-200.00"}, "below nothing"),
        ({"amount": "0"}, "is nothing"),
        ({"amount": "200.005"}, "finer than the smallest coin of INR"),
        ({"amount": "200", "currency": "rupees"}, "no currency"),
        ({"amount": "1.500,00"}, "no amount"),
        ({"amount": "2e2"}, "no amount"),
        ({"amount": "NaN"}, "no amount"),
        ({"amount": "２００"}, "no amount"),
        ({"amount": "99999999999"}, "more than can be paid"),
        ({"amount": "=100*2"}, "a formula"),
        ({"utr": "=HYPERLINK(1)"}, "a formula"),
        ({"reason": "@SUM(1)"}, "a formula"),
        ({"reason": "+91"}, "a formula"),
        ({"reference": "-PO1"}, "a formula"),
        ({"utr": "1.23E+15"}, "shortened"),
        ({"utr": "x" * 121}, "longer than 120"),
        ({"utr": ""}, "no reference of the bank"),
        ({"status": "maybe"}, "neither paid nor failed"),
        ({"date": "31/31/2026"}, "no date"),
        ({"reason": "a\x07b"}, "cannot be shown"),
        ({"reason": "x" * 201}, "too long"),
    ],
)
def test_a_line_that_cannot_be_read_stops_the_whole_file(cells, words):
    good, bad = payout(), payout()
    data = file(row(good), row(bad, **cells))
    assert [judged.line.number for judged in preview(data).lines] == [2, 3]
    assert verdicts(data) == ["paid", "wrong"]
    nothing_happens(data, words)


def test_a_line_that_stands_twice_stops_the_file():
    paid = payout()
    nothing_happens(file(row(paid), row(paid)), "stands in line 2 already")
    nothing_happens(file(row(paid), row(paid, utr="another")), "Line 2 is about this payout too")


def test_a_line_with_too_few_cells_stops_the_file():
    nothing_happens(file(row(payout()), ["Total", "200.00"]), "2 cells where the headings are 7")


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "heading"),
        (b"\n\n", "no lines"),
        (b"\x89PNG\r\n\x1a\n\xff\xfe", "not in UTF-8"),
        ("Référence".encode("latin-1"), "not in UTF-8"),
        ("Reference,UTR,Amount".encode("utf-16"), "not in UTF-8"),
        (b"PK\x03\x04 a workbook", "a spreadsheet"),
        (b"Reference,UTR\0,Amount\nx,y,1", "not a CSV"),
        (b"<html><body>Sign in</body></html>", "A heading is missing"),
        (b'{"id": "pout_1"}', "A heading is missing"),
        (b"Reference,UTR,Amount (paise)\nx,y,100", "A heading is missing: amount"),
        (b"Reference,UTR,Amount\n", "no lines below"),
        (b'Reference,UTR,Amount\nx,"y,100\n', "Line 2 is no CSV"),
        (b"Reference,UTR,Amount\n" + b"x" * 200_000, "too large"),
        (b"Reference,UTR,Amount\n" + b"x,y,1\n" * 1001, "More than 1000 lines"),
        (b'Reference,UTR,Amount\nx,"y"z,100\n', "Line 2 is no CSV"),
    ],
)
def test_a_file_that_is_none_says_what_is_needed(data, words):
    with pytest.raises(settlement_rules.Unreadable, match=words):
        read(data)


def test_files_of_other_houses_are_read_too():
    stripe = b"payout_id,effective_at_utc,currency,net,payout_status,description\npo_1,2026-11-20 08:00:00,inr,200.00,paid,PO1-ABCD\n"
    bank = "\ufeffValue Date;Narration;UTR Number;Withdrawal Amt.\r\n20-Nov-2026;NEFT PO1-ABCD;N5;1,23,456.50\r\n"
    for data, reference, minor in ((stripe, "po_1", 20000), (bank.encode(), "N5", 12345650)):
        (line,) = read(data)
        assert (line.wrong, line.reference, line.amount_minor) == ("", reference, minor)
        assert (line.currency, line.state, line.day) == ("INR", "paid", date(2026, 11, 20))
        assert "PO1-ABCD" in line.payout


@pytest.mark.parametrize(
    ("currency", "amount", "minor"),
    [("KRW", "1,500", 1500), ("KWD", "1.005", 1005), ("INR", "₹ 0.1", 10), ("INR", "INR 3", 300)],
)
def test_amounts_are_exact_in_their_own_currency(currency, amount, minor):
    (line,) = read(file(row(None, amount=amount, currency=currency)))
    assert (line.wrong, line.amount_minor) == ("", minor)


# --- Between looking and doing ------------------------------------------------------------


def test_what_somebody_changed_meanwhile_is_shown_again_before_it_is_done():
    first, other = payout(), payout()
    data = file(row(first), row(other))
    seen = preview(data).fingerprint
    move_payout(other.pk, "failed", reason="wrong account", actor=f.user())
    before = books()
    with pytest.raises(Refused) as refused:
        settle_payouts(data, seen=seen, actor=f.user())
    assert refused.value.code == "CHANGED"
    assert books() == before


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("fair", [True, False], ids=["with locks", "without locks"])
def test_two_managers_import_one_file_at_once(fair, monkeypatch, request):
    """Whatever happens, each payout is paid once; under the lock the second one is told, and sees no error."""
    data = file(*(row(payout()) for _ in range(3)))
    seen, people = preview(data).fingerprint, [f.user(), f.user()]
    if not fair:
        without_locks(monkeypatch)
        request.getfixturevalue("unwatched")
    meeting = Meeting('FROM "payments_payout" WHERE ("payments_payout"."status"', in_turn=not fair)
    calls = [lambda who=who: settle_payouts(data, seen=seen, actor=who) for who in people]
    refused = [result.code for result in at_once(*calls, meeting=meeting) if isinstance(result, Refused)]
    assert (refused == ["CHANGED"]) is fair
    assert (Payout.objects.paid().count(), LedgerEntry.objects.filter(kind="payout").count()) == (3, 3)
    assert violations() == {}


# --- Its pages ----------------------------------------------------------------------------


@pytest.fixture
def manager(client):
    person = f.staff("Manager")
    client.force_login(person)
    return person


def upload(client, data: bytes, name="payouts.csv"):
    return client.post("/admin/payouts/import/", {"file": SimpleUploadedFile(name, data)})


def apply(client, answer):
    form = answer.context["form"]
    fields = {name: form[name].value() for name in form.fields}
    return client.post("/admin/payouts/import/apply/", fields)


def test_a_manager_looks_through_a_file_and_ticks_off_what_was_paid(client, manager):
    paid, stranger = payout(), row(None, reference="rent", utr="UTR9")
    data = file(row(paid), stranger)
    before = books()
    looked = upload(client, data)
    text = looked.content.decode()
    for said in ("Ticked off as paid", paid.code, "No payout of ours", "<b>1 payout</b> will be", "₹200"):
        assert said in text
    assert urlsafe_b64decode(looked.context["form"]["data"].value()) == data
    assert books() == before
    done = apply(client, looked)
    assert (done.status_code, done.url) == (303, "/admin/payments/payout/")
    said = client.get(done.url).content.decode()
    assert "1 payout ticked off." in said
    assert "1 line is to be looked at." in said
    assert Payout.objects.get().status == "completed"
    again = upload(client, file(row(paid)))
    assert "there is nothing to do" in again.content.decode()
    assert "Do all of this" not in again.content.decode()


def test_a_file_with_a_wrong_line_shows_which_and_offers_nothing(client, manager):
    text = upload(client, file(row(payout(), amount="-1"))).content.decode()
    assert "<b>1 line cannot be read</b>" in text
    assert "below nothing" in text
    assert "Do all of this" not in text


@pytest.mark.parametrize("data", [b"", b"\xff\xd8\xff\xe0 a picture", b"x" * 10_000_000])
def test_a_bad_file_is_answered_in_words(client, manager, data):
    before = books()
    answer = upload(client, data)
    assert answer.status_code == 200
    assert "Please look at this again" in answer.content.decode()
    assert books() == before


def test_no_file_at_all_is_asked_for(client, manager):
    assert "Choose the file." in client.post("/admin/payouts/import/").content.decode()


def test_a_page_that_is_out_of_date_is_shown_anew(client, manager):
    paid = payout()
    looked = upload(client, file(row(paid)))
    move_payout(paid.pk, "failed", reason="closed", actor=manager)
    answer = apply(client, looked)
    assert "Somebody has changed a payout meanwhile" in answer.content.decode()
    assert "Not as we have it" in answer.content.decode()
    assert apply(client, answer).status_code == 303
    assert ReviewItem.objects.filter(key__startswith="settlement:contradicts").count() == 1


@pytest.mark.parametrize(
    "fields", [{}, {"data": "%%%", "seen": "x"}, {"data": "AAAA", "seen": "x"}, {"data": "é", "seen": ""}]
)
def test_a_form_that_lost_its_file_asks_for_it_again(client, manager, fields):
    before = books()
    answer = client.post("/admin/payouts/import/apply/", fields)
    assert (answer.status_code, answer.url) == (303, "/admin/payouts/import/")
    assert books() == before


@pytest.mark.parametrize("role", ["Reception", "Doctor"])
def test_only_managers_import(client, role):
    client.force_login(f.staff(role))
    data = file(row(payout()))
    fields = {"data": urlsafe_b64encode(data).decode(), "seen": preview(data).fingerprint}
    before = books()
    assert client.get("/admin/payouts/import/").status_code == 403
    assert upload(client, data).status_code == 403
    assert client.post("/admin/payouts/import/apply/", fields).status_code == 403
    assert books() == before


def test_a_payout_is_found_by_its_code(client, manager):
    paid, other = payout(), payout()
    text = client.get("/admin/payments/payout/", {"q": paid.code.lower()}).content.decode()
    assert paid.code in text
    assert other.code not in text
    assert "Import what the bank paid" in text
    assert paid.code in client.get(f"/admin/payments/payout/{paid.pk}/move/processing/").content.decode()


def test_looking_through_a_long_file_costs_as_little_as_a_short_one(
    client, manager, django_assert_max_num_queries
):
    rows = [row(payout()) for _ in range(3)]
    with django_assert_max_num_queries(12) as short:
        upload(client, file(rows[0]))
    with django_assert_max_num_queries(len(short)):
        upload(client, file(*rows, *(row(None, utr=f"X{n}") for n in range(200))))
