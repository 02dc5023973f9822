"""What must be true of money at any moment (DESIGN §9). Each query finds the rows that break one."""

QUERIES = {
    "4a a place is paid for, free, let off, owed for at the desk, or under review": """
        SELECT b.id FROM bookings_booking b
        WHERE b.status IN ('confirmed', 'checked_in', 'in_consultation', 'completed')
          AND b.free_reason = ''
          AND b.due_minor + b.discount_minor
              + COALESCE((SELECT SUM(p.captured_minor - p.refunded_minor) FROM payments_payment p
                          WHERE p.booking_id = b.id AND p.outcome = 'bought'), 0)
              + COALESCE((SELECT SUM(r.amount_minor) FROM payments_payment p
                          JOIN payments_refund r ON r.payment_id = p.id
                          WHERE p.booking_id = b.id AND p.outcome = 'bought'
                            AND r.status <> 'failed' AND r.cause LIKE 'staff:%'), 0) < b.price_minor
          AND NOT EXISTS (SELECT 1 FROM payments_payment p JOIN clinic_reviewitem r
                          ON r.key LIKE 'payment:' || p.id || ':%' WHERE p.booking_id = b.id)""",
    "4b what is owed at the desk, let off and paid is the price": """
        SELECT b.id FROM bookings_booking b
        WHERE b.due_minor + b.discount_minor > 0
          AND b.due_minor + b.discount_minor + COALESCE(
              (SELECT SUM(p.captured_minor) FROM payments_payment p
               WHERE p.booking_id = b.id AND p.outcome = 'bought'), 0) <> b.price_minor""",
    "4c what was let off has a row that says why": """
        SELECT b.id FROM bookings_booking b LEFT JOIN payments_concession c ON c.booking_id = b.id
        WHERE b.discount_minor <> COALESCE(c.amount_minor, 0)""",
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
    "6b a payment is disputed as long as a dispute of it is open": """
        SELECT p.id FROM payments_payment p
        WHERE CASE WHEN p.disputed_at IS NULL THEN 0 ELSE 1 END <> CASE WHEN EXISTS (
            SELECT 1 FROM payments_dispute d WHERE d.payment_id = p.id AND d.status = 'open') THEN 1 ELSE 0 END""",
    "6c what a lost dispute took is written down once, or somebody is told": """
        SELECT d.id FROM payments_dispute d LEFT JOIN payments_refund r ON r.dispute_id = d.id
        GROUP BY d.id, d.payment_id, d.status, d.amount_minor
        HAVING COALESCE(SUM(r.amount_minor), 0) > CASE WHEN d.status = 'lost' THEN d.amount_minor ELSE 0 END
            OR (d.status = 'lost' AND COALESCE(SUM(r.amount_minor), 0) < d.amount_minor AND NOT EXISTS (
                SELECT 1 FROM clinic_reviewitem i
                WHERE i.key = 'payment:' || d.payment_id || ':dispute:' || d.id || ':lost'))""",
    "7a money that came has a receipt, and its doctor an earning": """
        SELECT p.id FROM payments_payment p JOIN bookings_booking b ON b.id = p.booking_id
        JOIN schedules_schedule s ON s.id = b.schedule_id
        WHERE p.status = 'captured' AND p.outcome IN ('bought', 'no_place', 'surplus')
          AND (p.captured_at < {minutes_ago_5} OR EXISTS (
               SELECT 1 FROM payments_receipt r WHERE r.payment_id = p.id))
          AND (NOT EXISTS (SELECT 1 FROM payments_receipt r WHERE r.payment_id = p.id
                           AND r.amount_minor = p.captured_minor AND r.currency = p.currency)
               OR COALESCE((SELECT SUM(e.amount_minor) FROM payments_ledgerentry e
                            WHERE e.payment_id = p.id AND e.kind = 'earning' AND e.currency = p.currency), 0)
                  <> CASE WHEN p.outcome = 'bought' THEN p.captured_minor ELSE 0 END)""",
    "7b money that went back has a credit note, and its doctor a reversal": """
        SELECT f.id FROM payments_refund f JOIN payments_payment p ON p.id = f.payment_id
        WHERE f.status = 'done'
          AND (f.done_at < {minutes_ago_5} OR EXISTS (
               SELECT 1 FROM payments_receipt r WHERE r.refund_id = f.id))
          AND (NOT EXISTS (SELECT 1 FROM payments_receipt r WHERE r.refund_id = f.id
                           AND r.amount_minor = f.amount_minor AND r.currency = p.currency)
               OR COALESCE((SELECT SUM(e.amount_minor) FROM payments_ledgerentry e
                            WHERE e.refund_id = f.id AND e.kind = 'reversal' AND e.currency = p.currency), 0)
                  <> CASE WHEN p.outcome = 'bought' THEN -f.amount_minor ELSE 0 END)
          AND p.outcome <> 'review'""",
    "7c nothing is booked of money that did not move": """
        SELECT r.id FROM payments_receipt r
        LEFT JOIN payments_payment p ON p.id = r.payment_id LEFT JOIN payments_refund f ON f.id = r.refund_id
        WHERE COALESCE(p.status, f.status) NOT IN ('captured', 'done')""",
    "7d of a payment the clinic keeps a share of what it kept of the money": """
        SELECT p.id FROM payments_payment p JOIN (
            SELECT COALESCE(e.payment_id, f.payment_id) AS payment_id,
                   SUM(CASE WHEN e.kind = 'commission' THEN 0 ELSE e.amount_minor END) AS rest,
                   SUM(CASE WHEN e.kind = 'commission' THEN -e.amount_minor ELSE 0 END) AS kept,
                   SUM(CASE WHEN e.kind = 'commission' AND e.refund_id IS NULL THEN -e.amount_minor ELSE 0 END) AS share,
                   COUNT(DISTINCT e.doctor_id) AS doctors
            FROM payments_ledgerentry e LEFT JOIN payments_refund f ON f.id = e.refund_id
            WHERE e.kind IN ('earning', 'reversal', 'commission')
            GROUP BY COALESCE(e.payment_id, f.payment_id)) b ON b.payment_id = p.id
        WHERE b.rest < 0 OR b.share < 0 OR b.share > p.captured_minor OR b.doctors > 1
           OR b.kept <> b.share * b.rest / p.captured_minor""",
    "7e receipts are numbered from one without a gap": """
        SELECT s.id FROM payments_receiptseries s LEFT JOIN payments_receipt r ON r.series_id = s.id
        GROUP BY s.id, s.last_number
        HAVING s.last_number <> COUNT(r.id) OR s.last_number <> COALESCE(MAX(r.number), 0)""",
    "7f a counted drawer was expected to hold its float and the cash that moved": """
        SELECT d.id FROM payments_drawer d WHERE d.closed_at IS NOT NULL AND d.expected_minor <> d.float_minor
          + COALESCE((SELECT SUM(p.captured_minor) FROM payments_payment p
                      WHERE p.drawer_id = d.id AND p.method = 'cash' AND p.currency = d.currency), 0)
          - COALESCE((SELECT SUM(f.amount_minor) FROM payments_refund f
                      JOIN payments_payment p ON p.id = f.payment_id
                      WHERE f.drawer_id = d.id AND p.method = 'cash' AND p.currency = d.currency), 0)""",
    "7g a payout is in the ledger once it is paid, and not before": """
        SELECT o.id FROM payments_payout o LEFT JOIN payments_ledgerentry e ON e.payout_id = o.id
        WHERE CASE WHEN o.status = 'completed' THEN -o.amount_minor ELSE 0 END <> COALESCE(e.amount_minor, 0)
           OR e.doctor_id <> o.doctor_id OR e.currency <> o.currency""",
    "7h what is marked as booked has its paper, and only that": """
        SELECT p.id FROM payments_payment p LEFT JOIN payments_receipt r ON r.payment_id = p.id
        WHERE p.in_books <> (r.id IS NOT NULL)
        UNION ALL
        SELECT f.id FROM payments_refund f LEFT JOIN payments_receipt r ON r.refund_id = f.id
        WHERE f.in_books <> (r.id IS NOT NULL)""",
    "9 no inbox row waits more than five minutes without a reason": """
        SELECT id FROM payments_gatewayevent
        WHERE processed_at IS NULL AND error = '' AND received_at < {minutes_ago_5}""",
}
