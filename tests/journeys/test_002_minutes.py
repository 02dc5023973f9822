"""Seed 002: all services share a morning's minutes; the list of services changes without a deployment."""

from datetime import datetime, timedelta

from tests.journeys.outside import Program, in_days

API = "/api/v1"
DAY = str(in_days(41))


def minutes(program: Program, **asked) -> dict:
    return program.get(f"{API}/availability/pool", date=DAY, **asked).must(200)


def at(start: str, after: int) -> str:
    """So many minutes after a moment that we were told."""
    moment = datetime.fromisoformat(start) + timedelta(minutes=after)
    return moment.isoformat().replace("+00:00", "Z")


def test_services_share_the_minutes_of_a_morning(clinic):
    manager, everybody = clinic.staff("manager"), clinic.program()

    # The manager writes two services, and opens a morning of 180 minutes and an afternoon of 300.
    doctor = everybody.get(f"{API}/doctors").must(200)["items"][1]["id"]
    both = {"doctorIds": [doctor], "price": 0}
    botox = manager.post(
        f"{API}/admin/services", both | {"code": "botox", "name": "Botox", "duration": 30, "buffer": 10}
    ).must(201)
    skin = manager.post(
        f"{API}/admin/services", both | {"code": "skin", "name": "Skin care", "duration": 70}
    ).must(201)
    window = {"doctorId": doctor, "date": DAY, "kind": "pool"}
    manager.post(f"{API}/admin/schedules", window | {"startTime": "09:00", "endTime": "12:00"}).must(201)
    manager.post(f"{API}/admin/schedules", window | {"startTime": "13:00", "endTime": "18:00"}).must(201)
    day = minutes(everybody, doctorId=doctor)["daily"]
    assert (day["morning"]["totalMinutes"], day["totalCapacity"]) == (180, 180 + 300)

    # A patient asks when it fits, and books: confirmed at once, since nothing is to be paid.
    meera = clinic.sign_up("Meera Joshi", "meera.002@example.org")
    me = {"name": "Meera Joshi", "relationship": "self", "phone": "+919820012345"}
    meera.post(f"{API}/patients", me).must(201)
    asked = {"doctorId": doctor, "period": "morning"}
    fits = minutes(everybody, **asked, serviceId=botox["id"])
    assert (fits["available"], fits["requiredMinutes"], fits["remainingMinutes"]) == (True, 40, 180)
    nine = fits["startTimes"][0]
    wish = {"scheduleId": nine["scheduleId"], "serviceId": botox["id"]} | meera.agreed()
    for after in (0, 45, 90):
        said = meera.post(f"{API}/bookings/start", wish | {"startTime": at(nine["start"], after)}).must(201)
        assert (said["status"], said["redirectUrl"]) == ("confirmed", None)
    left = minutes(everybody, **asked)
    assert (left["timeSlot"]["consumedMinutes"], left["timeSlot"]["remainingMinutes"]) == (120, 60)
    assert left["timeSlot"]["currentReservations"] == 3
    may = {service["code"]: service["available"] for service in left["services"]}
    assert (may["botox"], may["skin"]) == (True, False)

    # Skin care (70 minutes) is refused with 60 left; so is a start in the middle of somebody's time.
    late = wish | {"serviceId": skin["id"], "startTime": at(nine["start"], 130)}
    meera.post(f"{API}/bookings/start", late).refuses(409, "NOT_ENOUGH_MINUTES")
    said = meera.post(f"{API}/bookings/start", wish | {"startTime": at(nine["start"], 100)}).refuses(
        409, "OVERLAP"
    )
    fitting = minutes(everybody, doctorId=doctor, serviceId=botox["id"])["startTimes"]
    assert said["suggestions"] and all(start in fitting for start in said["suggestions"])
    assert minutes(everybody, **asked) == left
    assert not minutes(everybody, **asked, serviceId=skin["id"])["available"]

    # Botox still fits this morning: 20 minutes stay, and the afternoon is untouched.
    instead = minutes(everybody, **asked, serviceId=botox["id"])["startTimes"][0]
    wish |= {"startTime": instead["start"]}
    fourth = meera.post(f"{API}/bookings/start", wish).must(201)
    assert fourth["status"] == "confirmed"
    day = minutes(everybody, doctorId=doctor)["daily"]
    assert (day["morning"]["remainingMinutes"], day["afternoon"]["remainingMinutes"]) == (20, 300)

    # The list changes while patients book; what was sold stays as it was.
    path = f"{API}/admin/services/{botox['id']}"
    manager.patch(path, {"name": "Botox, new", "duration": 55, "price": 90000}).must(200)
    kept = meera.get(f"{API}/appointments/{fourth['appointmentId']}").must(200)
    assert (kept["service"]["name"], kept["service"]["minutes"], kept["price"]) == ("Botox", 40, 0)
    manager.delete(path).must(200)
    offered = everybody.get(f"{API}/services", doctorId=doctor).must(200)["items"]
    assert botox["id"] not in [service["id"] for service in offered]
    meera.patch(path, {"price": 1}).refuses(403, "FORBIDDEN")

    # A cancelled visit gives its minutes back; the managers read how full the day is.
    meera.post(f"{API}/appointments/{fourth['appointmentId']}/cancel").must(200)
    assert minutes(everybody, **asked)["timeSlot"]["remainingMinutes"] == 60
    span = {"startDate": DAY, "endDate": DAY, "doctorId": doctor}
    rows = manager.get(f"{API}/admin/reports/utilisation", **span).must(200)["items"]
    morning = next(row for row in rows if row["period"] == "morning" and row["sells"] == "minutes")
    assert (morning["used"], morning["free"], morning["total"]) == (120, 60, 180)
