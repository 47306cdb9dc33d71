"""Live transcription: audio that arrives while it is spoken, words as soon as they are stable."""
