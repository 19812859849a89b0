"""Counts words."""

from collections import Counter


def count(text: str) -> Counter[str]:
    """How often each word is in a text."""
    return Counter(text.lower().split())
