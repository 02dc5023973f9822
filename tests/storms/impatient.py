"""The soak's settings and one change to the product: its patience with gateways is short.

A tenth of the stand-ins' calls never get an answer. With the product's ten seconds for each, ten
thousand payments would take a day.
"""

from django.apps import AppConfig

from clinic.settings import *  # noqa: F403
from clinic.settings import INSTALLED_APPS

INSTALLED_APPS = [*INSTALLED_APPS, "tests.storms.impatient.Impatient"]


class Impatient(AppConfig):
    name = "tests.storms"

    def ready(self):
        from payments.gateways.razorpay import Razorpay
        from payments.gateways.stripe import Stripe

        for gateway in Razorpay, Stripe:
            gateway.__init__.__kwdefaults__["timeout"] = (1, 0.7)
