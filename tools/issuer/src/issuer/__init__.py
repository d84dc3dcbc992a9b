"""The OpenID Connect issuer of Shopfloor: signs access tokens, and publishes its keys."""
