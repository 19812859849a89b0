"""Answers what the stage scripts ask about a project: how it is installed, what its tests need, what starts it.

It runs in the project's folder with the image's own Python and imports nothing of the project.
"""

import ast
import json
import os
import re
import sys
import tomllib
from pathlib import Path

# Folders whose Python files are no part of what runs: an example may be an application, and a fixture may be broken on purpose.
BESIDE = re.compile(
    r"(^|/)(\.[^/]+|tests?|testing|docs?|examples?|samples?|fixtures|testdata|node_modules|site-packages|venv|env|"
    r"benchmarks?|scripts|tools|migrations|templates|[^/]*\{\{[^/]*)(/|$)"
)
TEST_EXTRAS = ("test", "tests", "testing", "dev")
TEST_FILES = [
    f"{prefix}{name}.txt"
    for name in ("test", "tests", "testing", "dev", "development")
    for prefix in ("requirements-", "requirements_", "requirements/")
] + [f"{name}-requirements.txt" for name in ("test", "tests", "dev")] + ["tests/requirements.txt", "test/requirements.txt"]
# What a configuration of pytest asks for and a project without a list of its tools cannot install.
PLUGINS = {
    r"--cov\b": "pytest-cov",
    r"asyncio_mode|pytest\.mark\.asyncio": "pytest-asyncio",
    r"pytest\.mark\.anyio": "anyio",
    r"pytest\.mark\.django_db|DJANGO_SETTINGS_MODULE\s*=\s*\w": "pytest-django",
    r"\bmocker\b": "pytest-mock",
    r"--timeout\b": "pytest-timeout",
}
MADE_BY = re.compile(
    r"^(\w+)\s*(?::[^=\n]+)?=\s*(?:\w+\.)?"
    r"(FastAPI|Starlette|Litestar|Quart|Sanic|BlackSheep|Flask|APIFlask|Bottle|Dash)\(",
    re.M,
)
ASGI = {"FastAPI", "Starlette", "Litestar", "Quart", "BlackSheep"}
RUNS = re.compile(r"\b(uvicorn\.run|\w+\.run\(|run_app\(|serve_forever\(|serve\(|HTTPServer\(|\.listen\()")


def text(path):
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def toml(path):
    try:
        return tomllib.loads(text(path))
    except tomllib.TOMLDecodeError as error:
        sys.exit(f"{path} cannot be read: {error}")


PYPROJECT = toml("pyproject.toml")
TOOL = PYPROJECT.get("tool", {})


def sources():
    for folder, folders, files in os.walk("."):
        folders[:] = sorted(name for name in folders if not (name.startswith(".") or name in ("node_modules", "venv", "env")))
        for name in sorted(files):
            if name.endswith(".py"):
                yield os.path.relpath(os.path.join(folder, name), ".")


def own_sources():
    return (path for path in sources() if not BESIDE.search(os.path.dirname(path) + "/"))


def manager():
    """Which installer the project names, the lock file first."""
    if Path("uv.lock").exists():
        return "uv"
    if Path("poetry.lock").exists() or "poetry" in TOOL and "dependencies" in TOOL["poetry"]:
        return "poetry"
    if Path("Pipfile").exists():
        return "pipenv"
    return "pip"


def installable():
    """Whether the project itself is a package that an installer builds."""
    return "project" in PYPROJECT or "build-system" in PYPROJECT and "poetry" in TOOL or Path("setup.py").exists()


def requirement_files():
    if Path("requirements.txt").exists():
        return ["requirements.txt"]
    return [path for path in ("requirements/base.txt", "requirements/prod.txt", "requirements/production.txt") if Path(path).exists()][:1]


def test_requirement_files():
    return [path for path in TEST_FILES if Path(path).exists()]


def extras():
    return [name for name in TEST_EXTRAS if name in PYPROJECT.get("project", {}).get("optional-dependencies", {})]


def groups():
    return [name for name in TEST_EXTRAS if name in PYPROJECT.get("dependency-groups", {})]


def unpinned():
    """The first line of the requirements that does not say one version."""
    for path in requirement_files():
        for line in text(path).splitlines():
            line = line.split("#")[0].strip()
            if line and line[0] not in "-." and "==" not in line and "@" not in line and "--hash" not in line:
                return [f"{path} does not pin {line}"]
    return []


def pipfile():
    """Pipfile.lock, or without one Pipfile, as lines that other installers read."""
    if Path("Pipfile.lock").exists():
        lock = json.loads(text("Pipfile.lock"))
        sections, found = ("default", "develop"), lock
    else:
        sections, found = ("packages", "dev-packages"), toml("Pipfile")
    for section in sections:
        for name, wanted in found.get(section, {}).items():
            wanted = {"version": wanted} if isinstance(wanted, str) else wanted
            extra = "[" + ",".join(wanted["extras"]) + "]" if "extras" in wanted else ""
            if "git" in wanted:
                yield f"{name}{extra} @ git+{wanted['git']}@{wanted.get('ref', 'HEAD')}"
            elif "path" in wanted:
                yield ("-e " if wanted.get("editable") else "") + wanted["path"] + extra
            else:
                version = wanted.get("version", "*")
                marker = f" ; {wanted['markers']}" if "markers" in wanted else ""
                yield f"{name}{extra}{'' if version == '*' else version}{marker}"


def tests():
    named = re.compile(r"(^|/)(test_[^/]*|[^/]*_test|tests)\.py$")
    return (path for path in sources() if named.search(path) and "/site-packages/" not in path)


def has_tests():
    return any(True for _ in tests())


def plugins():
    asked = "\n".join(text(path) for path in ("pyproject.toml", "pytest.ini", "setup.cfg", "tox.ini", "conftest.py"))
    asked += "\n".join(text(path) for path in list(tests())[:200])
    return [plugin for pattern, plugin in PLUGINS.items() if re.search(pattern, asked)]


def syntax():
    for path in own_sources():
        try:
            ast.parse(Path(path).read_bytes(), filename=path)
        except (SyntaxError, ValueError) as error:
            line = getattr(error, "lineno", None)
            yield f"{path}:{line or 1}: {getattr(error, 'msg', error)}"


def module(path):
    parts = list(Path(path).with_suffix("").parts)
    if parts and parts[0] == "src":
        parts = parts[1:]
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def manage():
    found = [path for path in sources() if os.path.basename(path) == "manage.py" and path.count("/") < 2]
    return [path for path in found if "django" in text(path)][:1]


def django(path):
    folder = os.path.dirname(path) or "."
    settings = re.search(r"DJANGO_SETTINGS_MODULE[\"'],\s*[\"']([\w.]+)", text(path))
    wsgi = [p for p in sources() if p.endswith("/wsgi.py") and os.path.relpath(p, folder).count("/") < 3 and not p.startswith("../")]
    wsgi = module(os.path.relpath(wsgi[0], folder)) if wsgi else ""
    return f"django {folder} {settings.group(1) if settings else '-'} {wsgi or '-'}"


def start():
    """What starts the application, for start.sh: the kind first. Nothing: nothing does, it is a library."""
    web = re.search(r"^web:[ \t]*(.+)$", text("Procfile"), re.M)
    if web:
        return [f"command {web.group(1).strip()}"]
    if manage():
        return [django(manage()[0])]
    usual = ("main", "app", "wsgi", "asgi", "server", "run", "application", "api", "__init__")
    shallow = [path for path in own_sources() if path.count("/") <= 3]
    shallow.sort(key=lambda path: (path.count("/"), usual.index(Path(path).stem) if Path(path).stem in usual else len(usual)))
    for path in shallow:
        made = MADE_BY.search(text(path))
        if made:
            kind = "asgi" if made.group(2) in ASGI else "wsgi" if made.group(2) != "Sanic" else "sanic"
            root = "src" if path.startswith("src/") else "."
            attribute = made.group(1) + (".server" if made.group(2) == "Dash" else "")
            return [f"{kind} {root} {module(path)}:{attribute}"]
    for path in shallow:
        if re.search(r"^def create_app\(", text(path), re.M) and re.search(r"\bFlask\(", text(path)):
            return [f"wsgi {'src' if path.startswith('src/') else '.'} {module(path)}:create_app()"]
    for path in shallow:
        if "/" not in path and Path(path).stem in usual and RUNS.search(text(path)):
            return [f"command python {path}"]
    return []


def workspace():
    return ["yes"] if "workspace" in TOOL.get("uv", {}) else []


# What takes the version of a project from its tags, by what asks for it, and the variable that says it in their place. Those of
# setuptools-scm are for one project each: the plain one would be believed for every package that is built from source.
FROM_TAGS = {
    r"setuptools[-_]scm|hatch-vcs": "SETUPTOOLS_SCM_PRETEND_VERSION_FOR_{name}={version}",
    r"poetry-dynamic-versioning": "POETRY_DYNAMIC_VERSIONING_BYPASS={version}",
    r"uv-dynamic-versioning": "UV_DYNAMIC_VERSIONING_BYPASS={version}",
    r"\bpbr\b": "PBR_VERSION={version}",
    r"\[tool\.pdm\.version\]\s*source\s*=\s*.scm": "PDM_BUILD_SCM_VERSION={version}",
}
HISTORIES = [f"{name}{end}" for name in ("CHANGELOG", "CHANGES", "NEWS", "HISTORY", "changelog") for end in (".md", ".rst", ".txt", "")]


def version_instead():
    """Where the version is a tag's and no tag is there: the variables that say one instead, that of the newest entry of the history."""
    asks = text("pyproject.toml") + text("setup.py") + text("setup.cfg")
    if Path(".git").exists() or Path("PKG-INFO").exists() or re.search(r"^(node|describe-name): [^$\s]", text(".git_archival.txt"), re.M):
        return []
    told = (re.search(r"^\D{0,40}(\d+\.\d+(\.\d+)?)\b", text(name), re.M) for name in HISTORIES)
    version = next((found.group(1) for found in told if found), "0.0.0")
    declared = re.search(r"\bname\s*=\s*[\"']?([\w.-]+)", text("setup.py") + "\n" + text("setup.cfg"))
    name = PYPROJECT.get("project", {}).get("name") or (declared.group(1) if declared else Path.cwd().name)
    name = re.sub(r"[-_.]+", "_", name).upper()
    return [line.format(name=name, version=version) for asked, line in FROM_TAGS.items() if re.search(asked, asks)]


def buildable():
    return ["yes"] if "build-system" in PYPROJECT or Path("setup.py").exists() else []


if __name__ == "__main__":
    answer = globals()[sys.argv[1]]()
    if isinstance(answer, bool):
        sys.exit(0 if answer else 1)
    for line in [answer] if isinstance(answer, str) else answer:
        print(line)
