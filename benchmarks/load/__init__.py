"""Latency and throughput of the whole server, beside another one, at growing load.

    python -m benchmarks.load measure          # 8 minutes on two idle cores; writes the JSON, plots and table
    python -m benchmarks.load measure speech   # likewise, speech alone, beside fastkokoro
    python -m benchmarks.load plot             # the plots and the tables again, from the JSON

All servers are processes of their own, with the same weights: Whisper (int8) and Kokoro. The first peer
(`peer.py`) is in speaches' manner: it answers from a pool of threads, and each model does one call at a time.
Of ten requests eight transcribe a recorded prompt and two speak a sentence. The second peer is fastkokoro
from the package index, in an environment of its own; all requests speak a sentence through OpenAI's route.

First the capacity of each server is measured: eight clients, each sends a request when its last one is
answered. Then requests come at random (Poisson, the same seed for both), at 25 to 150 % of the server's own
capacity. The servers take turns. A latency counts from the moment at which the request was due to the end of
its answer.
"""
