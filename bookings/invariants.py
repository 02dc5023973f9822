"""What must be true of places and numbers at any moment (DESIGN §9). Each query finds the rows that break one."""

from bookings.states import MOVES, OCCUPYING


def _sql(values) -> str:
    return ", ".join(f"'{value}'" for value in values)


ALLOWED = " OR ".join(
    f"(from_status = '{was}' AND to_status IN ({_sql(to)}))" for was, to in MOVES.items() if to
)

QUERIES = {
    "1 taken is the sum of units, within capacity": """
        SELECT s.id FROM schedules_schedule s LEFT JOIN bookings_booking b ON b.schedule_id = s.id
        GROUP BY s.id, s.taken, s.taken_at_desk, s.capacity
        HAVING s.taken <> COALESCE(SUM(b.units), 0) OR s.taken > s.capacity
            OR s.taken_at_desk <> COALESCE(SUM(CASE WHEN b.channel IN ('walk_in', 'phone') THEN b.units ELSE 0 END), 0)""",
    "1b a service takes its own minutes, inside its window": """
        SELECT b.id FROM bookings_booking b JOIN schedules_schedule s ON s.id = b.schedule_id
        WHERE b.units > 0 AND (s.kind = 'pool' OR b.service_id IS NOT NULL)
            AND (s.kind <> 'pool' OR b.service_id IS NULL OR b.start_at IS NULL OR b.units <> b.minutes
                OR b.start_at < s.starts_at OR b.end_at > s.ends_at)""",
    "1c a cancelled window has given nothing away": """
        SELECT id FROM schedules_schedule WHERE status = 'cancelled' AND taken > 0""",
    "2a numbers are unique and none is above last_number": """
        SELECT s.id FROM schedules_schedule s JOIN bookings_booking b ON b.schedule_id = s.id
        WHERE b.queue_number IS NOT NULL
        GROUP BY s.id, s.last_number
        HAVING COUNT(*) <> COUNT(DISTINCT b.queue_number) OR MAX(b.queue_number) > s.last_number""",
    "2b numbers are in the order in which they were given": """
        SELECT id FROM (
            SELECT id, numbered_at,
                   LAG(numbered_at) OVER (PARTITION BY schedule_id ORDER BY queue_number, numbered_at) AS before
            FROM bookings_booking WHERE queue_number IS NOT NULL) numbered
        WHERE numbered_at < before""",
    "3a no two bookings of a window overlap in time": """
        SELECT a.id FROM bookings_booking a JOIN bookings_booking b ON a.schedule_id = b.schedule_id AND a.id < b.id
        WHERE a.units > 0 AND b.units > 0 AND a.start_at < b.end_at AND b.start_at < a.end_at""",
    "3b no two windows of a doctor overlap": """
        SELECT a.id FROM schedules_schedule a JOIN schedules_schedule b ON a.doctor_id = b.doctor_id AND a.id < b.id
        WHERE a.status <> 'cancelled' AND b.status <> 'cancelled' AND a.starts_at < b.ends_at AND b.starts_at < a.ends_at""",
    "8a the last event is the booking's status": """
        SELECT b.id FROM bookings_booking b WHERE b.status <> COALESCE((
            SELECT e.to_status FROM bookings_bookingevent e WHERE e.booking_id = b.id ORDER BY e.id DESC LIMIT 1), '')""",
    "8b events follow each other and are allowed moves": f"""
        SELECT id FROM (
            SELECT id, from_status, to_status,
                   LAG(to_status) OVER (PARTITION BY booking_id ORDER BY id) AS before
            FROM bookings_bookingevent) moves
        WHERE from_status <> COALESCE(before, '') OR NOT ({ALLOWED})""",
    "8c a place in a token window has units and a number": f"""
        SELECT id FROM bookings_booking
        WHERE status IN ({_sql(OCCUPYING)}) AND (units = 0 OR (start_at IS NULL AND queue_number IS NULL))""",
    "10 no hold outlives its time by more than two sweeps": """
        SELECT id FROM bookings_booking WHERE status = 'held' AND hold_expires_at < {minutes_ago_5}""",
}
