"""Whole stories of the seed documents, from outside: over HTTP alone, as an app in any language would do it.

These tests know the clinic's address, the addresses of the payment services' stand-ins, and what lies in
the mail. They import nothing of the product, and no test client.
"""
