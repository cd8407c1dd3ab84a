"""Celery: the queue of background tasks, and the processes that run them."""
