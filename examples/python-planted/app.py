"""The application."""

from flask import Flask

app = Flask(__name__)


@app.get("/")
def greet() -> str:
    """Greets."""
    return "Hello, world!"
