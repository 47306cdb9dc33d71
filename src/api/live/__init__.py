"""Live transcription over WebSockets."""
