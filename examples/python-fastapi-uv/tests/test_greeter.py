from fastapi.testclient import TestClient

from greeter.greeting import greeting
from greeter.main import app


def test_greets_everybody():
    assert greeting(None) == "Hello, world!"


def test_greets_by_name():
    assert greeting(" Ada ") == "Hello, Ada!"


def test_answers():
    assert TestClient(app).get("/greeting", params={"name": "Ada"}).json() == {"greeting": "Hello, Ada!"}
