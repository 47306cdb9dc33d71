"""A worker process that counts something and reports what all workers have counted."""

from multiprocessing.connection import Connection


def work(waiting: int, pipe: Connection) -> None:
    """Answer each `tell` with the metrics, until another word comes."""
    # not before this process knows that it is a worker, which it does not yet while this module is imported
    from src.observability import metrics

    metrics.storage_used("s3", "put", "ok", 0.1)
    metrics.engine_state("whisper", waiting, 0, 0.0, 60.0, up=waiting < 5)
    metrics.BatchMetrics().retried("whisper")
    metrics.process_state()
    pipe.send("ready")
    while pipe.recv() == "tell":
        pipe.send(metrics.exposition().decode())
