"""Storms: many patients at one instant, over HTTP, against the web server as it runs in production.

`python -m tests.storms free --rounds 200` makes one; `STORM_ROUNDS=200 ./run test -m storm` makes and
judges all of them. What is measured is in scenarios.py, what must come out of it in test_storms.py.
"""
