import unittest

from app import app


class AppTest(unittest.TestCase):
    def test_answers(self):
        self.assertEqual(app.test_client().get("/").status_code, 200)

    def test_greets_by_name(self):
        self.assertEqual(app.test_client().get("/?name=Ada").text, "Hello, Ada!")
