"""A sample clinic for `manage.py demo`: who is there, when they receive, and what happened so far."""
