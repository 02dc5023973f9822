"""Seed 003: one patient for each exact time, paid by Razorpay; declined, confirmed, overridden, reconciled."""

import hmac
from itertools import pairwise

from tests.journeys.clinic import RAZORPAY_KEY
from tests.journeys.clinic import RAZORPAY_SECRET as RAZORPAY_HOOK
from tests.journeys.outside import Program, in_days, until

API = "/api/v1"
DAY = str(in_days(12))


def slots_of(program: Program, doctor: int) -> dict[int, dict]:
    """What a doctor's page shows of the next two weeks."""
    days = program.get(f"{API}/availability/slots", doctorId=doctor, days=14).must(200)["days"]
    return {slot["id"]: slot for day in days for slot in day["slots"]}


def opened(manager: Program) -> list[dict]:
    """Three exact times of a doctor who has none yet on that day, at night, when nobody else receives."""
    doctor = manager.get(f"{API}/doctors").must(200)["items"][0]["id"]
    clock = ["02:00", "02:20", "02:40", "03:00"]
    wish = {"doctorId": doctor, "date": DAY, "kind": "slot", "fee": 60000}
    return [
        manager.post(f"{API}/admin/schedules", wish | {"startTime": start, "endTime": end}).must(201)
        for start, end in pairwise(clock)
    ]


def signed(order: str, payment: str) -> str:
    """What Razorpay's checkout hands to the page with the payment's name."""
    return hmac.new(RAZORPAY_KEY.encode(), f"{order}|{payment}".encode(), "sha256").hexdigest()


def taken_by(manager: Program, doctor: int) -> dict:
    """The doctor's line of the payments' report, around today."""
    span = {"startDate": str(in_days(-1)), "endDate": str(in_days(1))}
    rows = manager.get(f"{API}/admin/reports/payments", **span).must(200)["items"]
    return next((row for row in rows if row["doctorId"] == doctor), {"captured": 0, "failed": 0})


def events(clinic) -> list[str]:
    return [each["name"] for each in clinic.razorpay.get("/_control/events").must(200)["events"]]


def test_an_exact_time_is_paid_by_razorpay(clinic):
    manager, desk, everybody = clinic.staff("manager"), clinic.staff("reception"), clinic.program()
    first, second, third = opened(manager)
    before = taken_by(manager, first["doctorId"])
    assert slots_of(everybody, first["doctorId"])[first["id"]]["status"] == "available"

    # 1. to 3. The patient takes a time: it is theirs alone while they pay, and an order is made.
    asha = clinic.sign_up("Asha Rao", "asha.003@example.org")
    asha.post(f"{API}/patients", {"name": "Asha Rao", "relationship": "self", "phone": "+919820012345"}).must(
        201
    )
    wish = {"scheduleId": first["id"], "gateway": "razorpay", "price": 60000} | asha.agreed()
    started = asha.post(f"{API}/bookings/start", wish).must(201)
    order, path = started["order"]["id"], f"{API}/appointments/{started['appointmentId']}"
    assert (started["status"], started["order"]["keyId"], started["amount"]) == (
        "held",
        "rzp_test_journeys",
        60000,
    )
    assert slots_of(everybody, first["doctorId"])[first["id"]]["status"] == "pending"
    ravi = clinic.sign_up("Ravi Kumar", "ravi.003@example.org")
    ravi.post(
        f"{API}/patients", {"name": "Ravi Kumar", "relationship": "self", "phone": "+919820054321"}
    ).must(201)
    ravi.post(f"{API}/bookings/start", wish).refuses(409, "FULL")

    # A payment that fails leaves it waiting for money; paying again is the same order.
    clinic.razorpay.post("/_control/decline", {"id": order}).must(200)
    said = until(lambda: asha.get(path).must(200), lambda said: said["paymentStatus"] == "failed")
    assert said["status"] == "held"
    assert asha.post(f"{path}/pay", {"gateway": "razorpay"}).must(200)["order"]["id"] == order

    # 4. It is paid, and the webhook is late: the checkout's signature is verified, a forged one is not believed.
    hook = {"url": f"{clinic.url}/api/v1/webhooks/razorpay", "secret": RAZORPAY_HOOK}
    clinic.razorpay.post("/_control/webhook", hook | {"hold": True}).must(200)
    payment = clinic.razorpay.post("/_control/pay", {"id": order}).must(200)["id"]
    receipt = {"gateway": "razorpay", "paymentId": payment, "signature": "0" * 64}
    assert asha.post(f"{path}/confirm-payment", receipt).must(422)["code"] == "BAD_SIGNATURE"
    assert asha.get(path).must(200)["status"] == "held"
    ravi.post(f"{path}/confirm-payment", receipt | {"signature": signed(order, payment)}).must(404)
    said = asha.post(f"{path}/confirm-payment", receipt | {"signature": signed(order, payment)}).must(200)
    assert (said["status"], said["paymentStatus"]) == ("confirmed", "captured")
    assert slots_of(everybody, first["doctorId"])[first["id"]]["status"] == "booked"

    # 5. Its webhooks come after all, each twice, and change nothing; one that nobody signed is refused.
    numbers = [number for number, _name in enumerate(events(clinic))]
    statuses = clinic.razorpay.post("/_control/deliver", {"events": numbers * 2}).must(200)["statuses"]
    assert {*statuses} == {200}
    assert asha.get(path).must(200) == said
    forged = clinic.program(**{"X-Razorpay-Signature": "0" * 64})
    assert forged.post("/api/v1/webhooks/razorpay", {"event": "payment.captured"}).status == 400

    # 6. Staff list bookings, and say who came.
    found = desk.get(f"{API}/appointments", doctorId=first["doctorId"], date=DAY, status="confirmed").must(
        200
    )
    assert [one["id"] for one in found["items"]] == [started["appointmentId"]]
    ravi.call("PATCH", f"{path}/status", {"status": "completed"}).refuses(403, "FORBIDDEN")
    assert desk.patch(f"{path}/status", {"status": "checked_in"}).must(200)["status"] == "checked_in"
    assert desk.patch(f"{path}/status", {"status": "completed"}).must(200)["status"] == "completed"
    desk.patch(f"{path}/status", {"status": "no_show"}).refuses(409, "MOVE")

    # A payment that Razorpay says nothing of is recorded by a manager, with a reason; what came stays so.
    theirs = ravi.post(f"{API}/bookings/start", wish | {"scheduleId": second["id"]}).must(201)
    lone = f"{API}/appointments/{theirs['appointmentId']}"
    seen = {"status": "captured", "amount": 60000, "reason": "seen on the terminal", "method": "card"}
    desk.patch(f"{lone}/payment", seen | {"reference": "T-0031"}).refuses(403, "FORBIDDEN")
    manager.patch(f"{lone}/payment", seen).refuses(409, "REFERENCE")
    said = manager.patch(f"{lone}/payment", seen | {"reference": "T-0031"}).must(200)
    assert (said["status"], said["paymentStatus"]) == ("confirmed", "captured")
    manager.patch(f"{lone}/payment", {"status": "failed", "reason": "no"}).refuses(409, "CAPTURED")

    # The follow-ups of 003: moved, cancelled by the clinic with all the money, and reported.
    moved = ravi.post(f"{lone}/reschedule", {"scheduleId": third["id"]}).must(200)
    assert (moved["id"], moved["schedule"]["id"]) == (theirs["appointmentId"], third["id"])
    assert slots_of(everybody, first["doctorId"])[second["id"]]["status"] == "available"
    off = desk.post(f"{lone}/cancel", {"reason": "the doctor is ill", "fullRefund": True}).must(200)
    assert (off["status"], off["refund"]["amount"]) == ("cancelled", 60000)
    came, gone = (
        taken_by(manager, first["doctorId"])[what] - before[what] for what in ("captured", "failed")
    )
    assert (came, gone) == (120000, 0)
    desk.get(f"{API}/admin/reports/payments").refuses(403, "FORBIDDEN")
