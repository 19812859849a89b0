"""What is said."""


def greeting(name: str | None) -> str:
    """The sentence for somebody, or for everybody."""
    return f"Hello, {name.strip()[:40]}!" if name and name.strip() else "Hello, world!"
