"""Seed 000: a window with so many numbers; pay and book; overflow after the payment; walk-ins."""

from uuid import uuid4

from tests.journeys.outside import Program, in_days, until

API = "/api/v1"
DAY = str(in_days(40))


def paid_by(clinic, started: dict) -> None:
    """The payer's card works, in the app's own form."""
    intent = started["clientSecret"].partition("_secret_")[0]
    clinic.stripe.post("/_control/pay", {"id": intent}).must(200)


def polled(app: Program, appointment: str, *ends: str) -> dict:
    """As an app waits: GET appointments/{id} again and again, until it is one of `ends`."""
    path = f"{API}/appointments/{appointment}"
    return until(lambda: app.get(path).must(200), lambda said: said["status"] in ends)


def test_a_window_is_sold_out_and_every_number_is_given_once(clinic):
    manager, everybody = clinic.staff("manager"), clinic.program()

    # The manager opens a window of three numbers; the place belongs to whoever pays first, as in 000.
    ours, other, *_rest = everybody.get(f"{API}/doctors").must(200)["items"]
    wish = {"doctorId": ours["id"], "date": DAY, "startTime": "09:00", "endTime": "12:00", "maxPatients": 3}
    wish |= {"fee": 50000, "prefix": "J", "holdsReserve": False}
    window = manager.post(f"{API}/admin/schedules", wish).must(201)
    listed = manager.get(f"{API}/admin/schedules", doctorId=ours["id"], date=DAY).must(200)["items"]
    assert [row["id"] for row in listed] == [window["id"]]

    # B) overlapping windows of one doctor are refused; A) another doctor's at the same time is not.
    overlapping = wish | {"startTime": "11:30", "endTime": "13:00"}
    manager.post(f"{API}/admin/schedules", overlapping).refuses(409, "OVERLAP")
    manager.post(f"{API}/admin/schedules", wish | {"doctorId": other["id"]}).must(201)

    # 1. A patient signs up, says who they are, and chooses the window.
    meera = clinic.sign_up("Meera Joshi", "meera.000@example.org")
    meera.post(f"{API}/bookings/start", {"scheduleId": window["id"]}).refuses(422, "NO_SUCH_PATIENT")
    me = {"name": "Meera Joshi", "relationship": "self", "phone": "+919820012345"}
    meera.post(f"{API}/patients", me).must(201)
    shown = free(everybody, ours)
    assert (shown["remaining"], shown["confirmedCount"], shown["isBookable"]) == (3, 0, True)

    # 2. Pay & Book. Pressed twice, it is one booking.
    key = {"Idempotency-Key": str(uuid4())}
    wish = {"scheduleId": window["id"], "gateway": "stripe", "price": shown["price"]} | meera.agreed()
    started = meera.post(f"{API}/bookings/start", wish, key).must(201)
    assert meera.post(f"{API}/bookings/start", wish, key).must(201) == started
    assert (started["status"], started["amount"]) == ("held", 50000) and started["clientSecret"]

    # 3. to 5. Stripe takes the money and tells us; the app polls, and shows the number.
    paid_by(clinic, started)
    mine = polled(meera, started["appointmentId"], "confirmed")
    assert (mine["queueNumber"], mine["tokenLabel"], mine["paymentStatus"]) == (1, "J1", "captured")
    path = f"{API}/appointments/{started['appointmentId']}"
    again = meera.get(path, headers={"If-None-Match": meera.get(path).headers["ETag"]})
    assert (again.status, again.raw) == (304, b"")
    until(lambda: [text for text in clinic.letters.to("meera.000@example.org") if "J1" in text], bool)

    # F) A walk-in is confirmed, paid and numbered at once. A stranger may not do that.
    walk_in = {"scheduleId": window["id"], "guest": {"name": "Ravi Kumar", "age": 41}, "method": "cash"}
    meera.post(f"{API}/admin/bookings/manual", walk_in).refuses(403, "FORBIDDEN")
    desk = clinic.staff("reception")
    second = desk.post(f"{API}/admin/bookings/manual", walk_in).must(201)
    assert (second["status"], second["paymentStatus"], second["tokenLabel"]) == (
        "confirmed",
        "captured",
        "J2",
    )

    # D) Somebody is still paying while the last number goes: the money comes, and goes back by itself.
    slow = clinic.sign_up("Suresh Pal", "suresh.000@example.org")
    slow.post(f"{API}/patients", me | {"name": "Suresh Pal"}).must(201)
    wish = {"scheduleId": window["id"], "gateway": "stripe"} | slow.agreed()
    theirs = slow.post(f"{API}/bookings/start", wish).must(201)
    kiosk = clinic.kiosk("desk")
    third = kiosk.post(f"{API}/admin/bookings/manual", walk_in | {"method": "esewa"}).must(201)
    assert third["queueNumber"] == 3
    kiosk.get(f"{API}/admin/schedules").refuses(403, "SCOPE")
    full = free(everybody, ours)
    assert (full["remaining"], full["isBookable"], full["disabledReasonCode"]) == (0, False, "FULL")
    late = clinic.sign_up("Latika Sen", "latika.000@example.org")
    late.post(f"{API}/patients", me | {"name": "Latika Sen"}).must(201)
    late.post(f"{API}/bookings/start", wish).refuses(409, "FULL")
    paid_by(clinic, theirs)
    lost = polled(slow, theirs["appointmentId"], "overflow")
    assert lost["queueNumber"] is None
    path = f"{API}/appointments/{theirs['appointmentId']}"
    gone = until(
        lambda: slow.get(path).must(200), lambda said: (said["refund"] or {}).get("status") == "done"
    )
    assert gone["refund"]["amount"] == 50000

    # E) Cancelled numbers are never given again, and nobody is renumbered.
    path = f"{API}/appointments/{started['appointmentId']}"
    percent = meera.get(path).must(200)["cancellation"]["percent"]
    assert meera.post(f"{path}/cancel", {"percent": percent}).must(200)["status"] == "cancelled"
    fourth = desk.post(f"{API}/admin/bookings/manual", walk_in).must(201)
    assert fourth["queueNumber"] == 4
    desk.post(f"{API}/admin/bookings/manual", walk_in).refuses(409, "FULL")
    shown = free(everybody, ours)
    assert (shown["confirmedCount"], shown["remaining"]) == (3, 0)


def free(program: Program, doctor: dict) -> dict:
    """The window as anybody sees it."""
    asked = {"doctorId": doctor["id"], "date": DAY}
    (window,) = program.get(f"{API}/availability/windows", **asked).must(200)["items"]
    return window
