"""The microservice chassis: mechanism only. It names no service, no event and no topic."""
