"""What must be true of money at any moment (DESIGN §9). Each query finds the rows that break one."""

QUERIES = {
    "4 a place is paid for, free, paid at the desk, or under review": """
        SELECT b.id FROM bookings_booking b
        WHERE b.status IN ('confirmed', 'checked_in', 'in_consultation', 'completed')
          AND b.free_reason = '' AND NOT b.pay_at_desk
          AND COALESCE((SELECT SUM(p.captured_minor - p.refunded_minor) FROM payments_payment p
                        WHERE p.booking_id = b.id AND p.outcome = 'bought'), 0)
              + COALESCE((SELECT SUM(r.amount_minor) FROM payments_payment p
                          JOIN payments_refund r ON r.payment_id = p.id
                          WHERE p.booking_id = b.id AND p.outcome = 'bought'
                            AND r.status <> 'failed' AND r.cause LIKE 'staff:%'), 0) < b.price_minor
          AND NOT EXISTS (SELECT 1 FROM payments_payment p JOIN clinic_reviewitem r
                          ON r.key LIKE 'payment:' || p.id || ':%' WHERE p.booking_id = b.id)""",
    "5a every captured payment has one outcome": """
        SELECT p.id FROM payments_payment p
        WHERE p.status = 'captured' AND p.outcome = '' AND NOT EXISTS (
            SELECT 1 FROM payments_gatewayevent e
            WHERE e.processed_at IS NULL AND e.gateway = p.gateway
              AND p.gateway_payment <> '' AND e.body LIKE '%' || p.gateway_payment || '%')""",
    "5b what a payment bought was confirmed": """
        SELECT p.id FROM payments_payment p WHERE p.outcome = 'bought' AND NOT EXISTS (
            SELECT 1 FROM bookings_bookingevent e WHERE e.booking_id = p.booking_id AND e.to_status = 'confirmed')""",
    "5c what bought nothing is going back in full": """
        SELECT p.id FROM payments_payment p
        WHERE p.outcome IN ('no_place', 'surplus') AND p.captured_at < {minutes_ago_5}
          AND p.refunded_minor < p.captured_minor
          AND NOT EXISTS (SELECT 1 FROM payments_refund r JOIN clinic_reviewitem i
                          ON i.key = 'refund:' || r.id WHERE r.payment_id = p.id)""",
    "5d a payment under review has its ReviewItem": """
        SELECT p.id FROM payments_payment p WHERE p.outcome = 'review' AND NOT EXISTS (
            SELECT 1 FROM clinic_reviewitem i WHERE i.key LIKE 'payment:' || p.id || ':%')""",
    "5e a cancelled booking's money is going back": """
        SELECT p.id FROM payments_payment p JOIN bookings_booking b ON b.id = p.booking_id
        WHERE p.outcome = 'bought' AND b.refund_percent > 0 AND b.refund_due_at < {minutes_ago_5}
          AND p.refunded_minor < p.captured_minor AND CAST(p.captured_minor AS BIGINT) * b.refund_percent >= 100
          AND NOT EXISTS (SELECT 1 FROM payments_refund r WHERE r.payment_id = p.id AND r.cause = 'cancel')""",
    "6a refunds of a payment sum to what it gives back": """
        SELECT p.id FROM payments_payment p LEFT JOIN payments_refund r
        ON r.payment_id = p.id AND r.status <> 'failed'
        GROUP BY p.id, p.refunded_minor, p.captured_minor
        HAVING p.refunded_minor <> COALESCE(SUM(r.amount_minor), 0) OR p.refunded_minor > p.captured_minor""",
    "9 no inbox row waits more than five minutes without a reason": """
        SELECT id FROM payments_gatewayevent
        WHERE processed_at IS NULL AND error = '' AND received_at < {minutes_ago_5}""",
}
