"""The application."""

from fastapi import FastAPI

from .greeting import greeting

app = FastAPI(title="Greeter")


@app.get("/")
def root() -> dict[str, str]:
    """Says where there is something to see."""
    return {"see": "/greeting?name="}


@app.get("/greeting")
def greet(name: str | None = None) -> dict[str, str]:
    """Greets."""
    return {"greeting": greeting(name)}
