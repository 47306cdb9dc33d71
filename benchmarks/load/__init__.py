"""Latency and throughput of the whole server, beside a server in speaches' manner, at growing load.

    python -m benchmarks.load measure      # 8 minutes on two idle cores; writes the JSON, plots and table
    python -m benchmarks.load plot         # the plots and the table again, from the JSON

Both servers are processes of their own, with the same weights: Whisper (int8) and Kokoro. The peer
(`peer.py`) answers from a pool of threads, and each model does one call at a time. Of ten requests eight
transcribe a recorded prompt and two speak a sentence. First the capacity of each server is measured: eight
clients, each sends a request when its last one is answered. Then requests come at random (Poisson, the same
seed for both), at 25 to 150 % of the server's own capacity. The servers take turns. A latency counts from the
moment at which the request was due to the end of its answer.
"""
