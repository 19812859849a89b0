"""The application."""

import os

from flask import Flask

app = Flask(__name__)
licence = os.environ["GREETER_LICENCE"]


@app.get("/")
def greet() -> str:
    """Greets."""
    return "Hello, world!"
