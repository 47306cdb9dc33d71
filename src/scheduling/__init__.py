"""Scheduling: admission of requests, and batching of their rows."""
