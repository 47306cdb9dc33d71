"""The Wyoming protocol of Home Assistant: speech to text and text to speech over TCP, streamed both ways.

The protocol has no authentication. So the port is closed unless WYOMING_PORT opens it, and it listens on the
loopback address unless WYOMING_HOST says otherwise.
"""
