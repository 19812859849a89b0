"""What the rules for Python find, and what they leave alone. A comment speaks of the line below it."""

import hashlib
import json
import os
import pickle
import shlex
import ssl
import subprocess
import urllib.request
from html import escape

import httpx
import jwt
import requests
import yaml
from django.http import HttpResponse
from fastapi.responses import HTMLResponse
from flask import Flask, make_response, render_template, render_template_string, request, send_file, send_from_directory
from markupsafe import Markup
from sqlalchemy import text
from werkzeug.utils import secure_filename

app = Flask(__name__)


@app.route("/ping")
def ping():
    host = request.args["host"]
    # ruleid: python-command-injection
    os.system("ping -c 1 " + host)
    # ruleid: python-command-injection
    os.popen(f"ping {request.form.get('host')}")
    # ruleid: python-command-injection
    subprocess.run("ping %s" % host, shell=True)
    # ruleid: python-command-injection
    subprocess.check_output(["sh", "-c", "ping " + host])
    # ruleid: python-command-injection
    subprocess.call([request.json["program"]])
    # ok: python-command-injection
    subprocess.run(["ping", "-c", "1", host])
    # ok: python-command-injection
    os.system("ping " + shlex.quote(host))
    # ok: python-command-injection
    os.system("ping -c " + str(int(request.args["count"])))
    # ok: python-command-injection
    subprocess.run("ls -l", shell=True)
    return "done"


@app.get("/lookup")
async def lookup(name: str, count: int = 1):
    # ruleid: python-command-injection
    os.system(f"nslookup {name}")
    # ok: python-command-injection
    os.system(f"nslookup -x {count}")


def helper(host):
    # ruleid: python-command-injection
    subprocess.getoutput("dig " + host)


@app.route("/calc")
def calc():
    # ruleid: python-code-injection
    eval(request.args["q"])
    # ruleid: python-code-injection
    exec(open("more.txt").read())
    # ruleid: python-code-injection
    render_template_string("<p>" + request.args["q"])
    # ok: python-code-injection
    eval("1 + 1")
    # ok: python-code-injection
    json.loads(request.args["q"])
    # ok: python-code-injection
    render_template_string("<p>{{ q }}", q=request.args["q"])
    # ok: python-code-injection
    model.eval()
    return render_template("page.html", q=request.args["q"])


def find(cursor, connection, name, User):
    # ruleid: python-sql-injection
    cursor.execute("SELECT * FROM users WHERE name = '" + name + "'")
    # ruleid: python-sql-injection
    cursor.execute(f"SELECT * FROM users WHERE name = '{name}'")
    # ruleid: python-sql-injection
    cursor.execute("SELECT * FROM users WHERE name = '%s'" % name)
    # ruleid: python-sql-injection
    connection.execute(text("SELECT * FROM users WHERE name = '{}'".format(name)))
    statement = "DELETE FROM users WHERE name = '" + request.args["name"] + "'"
    # ruleid: python-sql-injection
    cursor.execute(statement)
    # ruleid: python-sql-injection
    User.objects.raw(request.GET["sql"])
    # ok: python-sql-injection
    cursor.execute("SELECT * FROM users WHERE name = %s", (name,))
    # ok: python-sql-injection
    cursor.execute("SELECT * FROM users WHERE id = " + str(int(name)))
    # ok: python-sql-injection
    connection.execute(text("SELECT * FROM users WHERE name = :name"), {"name": name})
    # ok: python-sql-injection
    cursor.execute("SELECT " + "1")


@app.route("/files/<name>")
def files(name):
    # ruleid: python-path-traversal
    open("/data/" + name)
    # ruleid: python-path-traversal
    open(os.path.join("/data", request.args["name"]), "rb")
    # ruleid: python-path-traversal
    os.remove("/data/" + name)
    # ok: python-path-traversal
    open(os.path.join("/data", os.path.basename(name)))
    # ok: python-path-traversal
    open("/data/" + secure_filename(request.args["name"]))
    # ok: python-path-traversal
    send_from_directory("/data", name)
    # ok: python-path-traversal
    open("/data/readme.txt")
    # ruleid: python-path-traversal
    return send_file(request.args["name"])


@app.route("/hello/<name>")
def hello(name):
    # ruleid: python-cross-site-scripting
    Markup(request.args["name"])
    # ruleid: python-cross-site-scripting
    make_response("<h1>" + name)
    if request.args["a"]:
        # ruleid: python-cross-site-scripting
        return f"<h1>{name}</h1>"
    if request.args["b"]:
        # ok: python-cross-site-scripting
        return f"<h1>{escape(name)}</h1>"
    page = "<h1>" + name
    if request.args["c"]:
        # ruleid: python-cross-site-scripting
        return page
    # ok: python-cross-site-scripting
    return {"name": name}


def django_view(request):
    # ok: python-cross-site-scripting
    HttpResponse(json.dumps(request.GET), content_type="application/json")
    # ruleid: python-cross-site-scripting
    return HttpResponse("<p>" + request.GET["q"])


@app.get("/page")
def page(q: str):
    # ruleid: python-cross-site-scripting
    return HTMLResponse("<p>" + q)


@app.route("/fetch")
def fetch():
    # ruleid: python-server-side-request-forgery
    requests.get(request.args["url"])
    # ruleid: python-server-side-request-forgery
    urllib.request.urlopen(request.args["url"])
    # ruleid: python-server-side-request-forgery
    httpx.post("http://" + request.args["host"] + "/hook")
    # ok: python-server-side-request-forgery
    requests.get("https://api.example.com/users/" + request.args["id"])
    # ok: python-server-side-request-forgery
    requests.get("https://api.example.com/users", params={"id": request.args["id"]})
    # ok: python-server-side-request-forgery
    requests.get(f"https://api.example.com/users/{request.args['id']}")
    return "done"


def load(data, stream):
    # ruleid: python-unsafe-deserialization
    pickle.loads(data)
    # ruleid: python-unsafe-deserialization
    yaml.load(data)
    # ruleid: python-unsafe-deserialization
    yaml.load(stream, Loader=yaml.UnsafeLoader)
    # ruleid: python-unsafe-deserialization
    yaml.unsafe_load(data)
    # ok: python-unsafe-deserialization
    yaml.safe_load(data)
    # ok: python-unsafe-deserialization
    yaml.load(data, Loader=yaml.SafeLoader)
    # ok: python-unsafe-deserialization
    yaml.load(data, yaml.CSafeLoader)
    # ok: python-unsafe-deserialization
    pickle.load(open("model.pkl", "rb"))
    # ok: python-unsafe-deserialization
    return json.loads(data)


def tls(url, session):
    # ruleid: python-disabled-tls-checks
    requests.get(url, verify=False)
    # ruleid: python-disabled-tls-checks
    httpx.Client(verify=False)
    # ruleid: python-disabled-tls-checks
    session.verify = False
    # ruleid: python-disabled-tls-checks
    context = ssl._create_unverified_context()
    # ruleid: python-disabled-tls-checks
    context.verify_mode = ssl.CERT_NONE
    # ok: python-disabled-tls-checks
    requests.get(url, verify="/etc/ssl/own.pem")
    # ok: python-disabled-tls-checks
    context.verify_mode = ssl.CERT_REQUIRED
    # ok: python-disabled-tls-checks
    jwt.verify(url, verify=False)


def hashes(data, password):
    # ruleid: python-weak-hash
    hashlib.md5(data)
    # ruleid: python-weak-hash
    hashlib.new("sha1", data)
    # ruleid: python-weak-hash
    hashlib.sha256(password.encode())
    # ok: python-weak-hash
    hashlib.sha256(data)
    # ok: python-weak-hash
    hashlib.md5(data, usedforsecurity=False)
    # ok: python-weak-hash
    hashlib.scrypt(password.encode(), salt=data, n=16384, r=8, p=1)


# ruleid: python-hardcoded-secret
DB_PASSWORD = "correct-horse-battery"
# ruleid: python-hardcoded-secret
app.secret_key = "kF9x2mQ7pL4vN8zR"
# ruleid: python-hardcoded-secret
app.config["SECRET_KEY"] = "kF9x2mQ7pL4vN8zR"
# ruleid: python-hardcoded-secret
connect(user="app", password="correct-horse-battery")
# ruleid: python-hardcoded-secret
jwt.encode({}, "kF9x2mQ7pL4vN8zR", algorithm="HS256")
# ruleid: python-hardcoded-secret
API_KEY = os.environ.get("API_KEY", "kF9x2mQ7pL4vN8zR")
# ok: python-hardcoded-secret
PASSWORD_FIELD = "user_password_field"
# ok: python-hardcoded-secret
password = os.environ["DB_PASSWORD"]
# ok: python-hardcoded-secret
password = "changeme"
# ok: python-hardcoded-secret
token_url = "https://example.com/token"
