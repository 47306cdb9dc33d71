"""Who works when: admission of requests to the engines."""
