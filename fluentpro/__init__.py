"""FluentPro: the backend of a language-learning service for professionals."""

__version__ = "0.1.0"
