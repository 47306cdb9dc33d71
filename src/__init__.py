"""Voz: a self-hosted speech API."""
