"""What `voz doctor` looks at. A check changes nothing, fetches nothing, and says what to do."""
