"""Decodes uploads in separate processes, which have limits and can be killed: `pool.Decoders`."""
