"""How many requests replicas serve, and how long these wait: measured for one, simulated for many.

    python -m benchmarks.capacity measure       # this machine, one engine: benchmarks/capacity/measured.json
    python -m benchmarks.capacity measure --threads 1 --cores 1 --closed --file benchmarks/capacity/half.json
    python -m benchmarks.ray --json benchmarks/capacity/cluster.json
    python -m benchmarks.capacity simulate      # tables, and plots in docs/images/

The simulation (SimPy) knows one measured curve: how many seconds of audio an engine transcribes in a second
while it has so many rows. It is first held against what was measured with one engine at several loads, and
then taken to 10, 100 and 1,000 replicas.
"""
