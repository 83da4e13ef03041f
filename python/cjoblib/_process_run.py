"""Placeholder until the streaming pool is there."""
class TerminatedWorkerError(RuntimeError):
    """A worker process died; the text says by what signal or exit code, and in which task."""
