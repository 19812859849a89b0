"""The rules that are inside gitleaks, without its global allow-list, which names paths that it would never read.

    rules.py PROGRAM SHA256 >rules.toml

gitleaks has its default configuration as a text inside the program and no command that prints it. SHA256 is that of the
text: another version of gitleaks has other rules, and whoever takes it should have seen them.
"""

import hashlib
import re
import sys
import tomllib

BEGIN = b"# This file has been auto-generated. Do not edit manually.\n"
RULE = b"[[rules]]\n"
# No rule is as long as that, so the next text that begins like one is not of this file.
FARTHEST = 100_000
# What a line of a rule looks like; the first other line is behind the end.
LINE = re.compile(rb"""(\s*(\[\[rules[.\w]*\]\]|\w+ = .*|\]|['"].*['"],?(.*['"],)?|\#.*)?)\n""")


def embedded(program):
    start = program.index(BEGIN)
    last = program.index(RULE, start)
    while 0 <= (following := program.find(RULE, last + 1)) < last + FARTHEST:
        last = following
    end = last
    while line := LINE.match(program, end):
        end = line.end()
    return program[start:end]


def main():
    path, expected = sys.argv[1:]
    with open(path, "rb") as file:
        text = embedded(file.read())
    found = hashlib.sha256(text).hexdigest()
    if found != expected:
        sys.exit(f"the rules inside {path} have the SHA-256 {found}, not {expected}: look at them, then change versions.env")
    first = text.index(RULE)
    rules = text[:text.index(b"[allowlist]\n")] + text[first:]
    known = tomllib.loads(rules.decode())
    if set(known) != {"title", "minVersion", "rules"} or len(known["rules"]) < 100:
        sys.exit(f"the rules inside {path} have another form than expected")
    sys.stdout.buffer.write(rules)


main()
