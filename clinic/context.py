"""What every template knows of the clinic."""

from django.conf import settings

from clinic import consent_words


def clinic(request):
    return {
        "clinic": {
            "name": settings.CLINIC_NAME,
            "logo": settings.CLINIC_LOGO,
            "phone": settings.CLINIC_PHONE,
            "currency": settings.CLINIC_CURRENCY,
            "language": settings.LANGUAGE_CODE,
            "consent": consent_words.words,
        },
        "demo": "demo" in settings.PAYMENT_GATEWAYS,
    }
