"""The verifier of tokens that the settings of a service describe."""

from chassis.settings import ServiceSettings
from chassis.web.issuer_documents import fetch_keys_of
from chassis.web.issuer_keys import IssuerKeys
from chassis.web.tokens import TokenVerifier


def token_verifier_of(settings: ServiceSettings) -> TokenVerifier:
    """The verifier of tokens for a service, without keys yet. Its audience is the name of the service."""
    keys = IssuerKeys(
        fetch_keys_of(settings.oidc_issuer, settings.oidc_cafile),
        settings.oidc_refresh_seconds,
        settings.oidc_keys_valid_seconds,
    )
    return TokenVerifier(keys, settings.oidc_issuer, settings.service_name)
