"""The version of the service, as `/openapi.json` and traces tell it."""

VERSION = "0.1.0"
