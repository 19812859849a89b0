# SECRETS over a folder, and with a custom tool; sourced by dev/test-stages.sh.
# shellcheck shell=bash disable=SC2154

new_job spring-boot-maven
scan SECRETS secrets
expect "clean project: SECRETS passes" [ "$code" = 0 ]
expect "clean project: result.json says so" result secrets '.stage == "SECRETS" and .status == "SUCCESS" and .message == "no secrets found"'

new_job spring-boot-planted-secret
line='aws-access-token src/main/resources/application.properties:4'
planted() { [ "$(sarif secrets/gitleaks.sarif)" = "$line" ]; }
scan SECRETS secrets --env SCAN_MODE=dir
expect "planted secret: SECRETS passes with findings" [ "$code" = 0 ]
expect "planted secret: rule, file and line" planted
expect "planted secret: the count is in the message" result secrets '.message == "passed with findings: 1 high"'
no_secret_shown() { ! grep -q 'AKIA' "$work/log" "$job"/reports/secrets/*; }
expect "planted secret: nobody shows it" no_secret_shown
sed -i '4s/$/ # gitleaks:allow/' "$job/app/src/main/resources/application.properties"
echo '/home/runner/app/src/main/resources/application.properties:aws-access-token:4' >>"$job/app/.gitleaksignore"
scan SECRETS secrets
expect "planted secret: an allow comment and ignore files change nothing" planted
expect "planted secret: they are told" warned secrets 'application.properties:4 says `gitleaks:allow`: ignored'

custom() { # TOOL [INSTALL]
  scan SECRETS secrets --env SCAN_MODE=custom --env "CUSTOM_TOOL_CMD=$1" --env "CUSTOM_INSTALL_CMD=${2:-}" --env CUSTOM_LOG_EXT=txt
}
custom 'look "$APP_DIR/pom.xml"; exit 1' 'mkdir -p ~/.local/bin; printf "#!/bin/sh\nhead -c 5 \$1" >~/.local/bin/look; chmod +x ~/.local/bin/look'
expect "custom tool: exit code 1 is a finding" result secrets '.message == "passed with findings: 1 medium"'
expect "custom tool: its output is kept" [ "$(cat "$job/reports/secrets/SECRETS.txt")" = "<?xml" ]
custom 'touch "$APP_DIR/x" || exit 0; exit 1'
expect "custom tool: the source is read-only" message secrets "exit code 0"
custom 'sudo id'
expect "custom tool: sudo is refused" [ "$code" = 2 ]

# Ways to hide a key from gitleaks itself: in names that it never reads, behind first bytes that it takes for binary, in wide
# characters, beyond its cuts of long lines, in archives. The last must be named instead: nobody can look into them.
empty_job evasions
cat >"$job/make.py" <<'END'
import gzip, io, os, struct, tarfile, zipfile, zlib

KEY = "AKIA" + "QYLPMN5HHHFPZAM2"
LINE = f"key = {KEY}\n"

def put(path, content):
    path = "/job/app/" + path
    os.makedirs(os.path.dirname(path), exist_ok=True)
    open(path, "wb").write(content.encode() if isinstance(content, str) else content)

def packed(name, content):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, content)
    return buffer.getvalue()

def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

png = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 4, 4, 8, 2, 0, 0, 0)) + \
    chunk(b"IDAT", zlib.compress(os.urandom(52))) + chunk(b"IEND", b"")

for name in ["node_modules/a/index.js", "vendor/github.com/a/b.go", "dist/app.min.js", "logo.svg", "jquery.min.js", "yarn.lock",
             "package-lock.json", "go.sum", "poetry.lock", "mvnw", "gitleaks.toml", "a.pdf", "b.exe", "c.zip", "d.tar.gz", "e.7z"]:
    put("names/" + name, LINE)
for number, head in enumerate([b"MZ: 1", b"%PDF-1.4", b"\x89PNG\r\n\x1a\n", b"\x7fELF", b"{\\rtf1", b"SQLite format 3", b"BZh9", b"%!PS"]):
    put(f"heads/{number}", head + b"\nsome words that people would write, and some more of them, so that it is text\n" + LINE.encode())
for name in ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be"]:
    put("wide/" + name, ("# words\n" + LINE).encode(name))
put("long/one-line.json", "a" * 799_990 + " " + LINE.strip() + " " + "b" * 200_000)
for place in [99_990, 99_995, 100_000, 124_990, 125_000]:
    put(f"long/{place}", "a" * place + " " + LINE.strip() + " " + "b" * 60_000)
disc = bytearray(b"x" * 60_000); disc[32_769:32_774] = b"CD001"
put("long/disc", bytes(disc) + b"\n" + LINE.encode())
put("d/" * 150 + "deep.txt", LINE)
put("data/plain.png", png)
put("data/tail.png", png + b"\n" + LINE.encode())
put("data/polyglot.png", png + packed("x.txt", LINE))
archive = packed("a.txt", LINE)
for depth in range(1, 5):
    put(f"nested/{depth}.zip", archive)
    archive = packed(f"{depth}.zip", archive)
tar = io.BytesIO()
with tarfile.open(fileobj=tar, mode="w:gz") as out:
    info = tarfile.TarInfo("b/c.txt"); info.size = len(LINE); out.addfile(info, io.BytesIO(LINE.encode()))
put("nested/t.tgz", tar.getvalue())
put("nested/g.gz", gzip.compress(LINE.encode()))
put("lock/package-lock.json", '{"packages": {"a": {"version": "1.0.0", "integrity": "sha512-' + KEY + '"}}}')
put("value/false.txt", LINE.replace("QYLPMN5HHHFPZAM2", "QYLPMNFALSEPZAM2"))
# These cannot be read, and are named.
put("unread/5.zip", archive)
put("unread/random.bin", bytes(range(256)) * 8)
put("unread/a.7z", b"7z\xbc\xaf\x27\x1c\0\4" + os.urandom(200))
put("unread/torn.zip", packed("a.txt", LINE * 50)[:90])
# And this is nothing but data: a digest where it belongs.
digest = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
put("clean/Cargo.lock", f'[[package]]\nname = "secret-token"\nchecksum = "{digest}"\n')
END
docker run --rm --network none --volume "$job:/job" --user 0:0 "$scan_image" python3 /job/make.py
hand_over
scan SECRETS secrets
places() { jq -r '.runs[].results[].locations[0].physicalLocation.artifactLocation.uri' "$job/reports/secrets/gitleaks.sarif" | LC_ALL=C sort -u; }
hidden() {
  (cd "$job/app" && find names heads wide long d data value lock nested -type f ! -name plain.png) |
    sed -E 's#^nested/1.zip#&!a.txt#; s#^nested/2.zip#&!1.zip!a.txt#; s#^nested/3.zip#&!2.zip!1.zip!a.txt#; s#^nested/4.zip#&!3.zip!2.zip!1.zip!a.txt#
      s#^nested/t.tgz#&!b/c.txt#; s#^nested/g.gz#&!g#; s#^data/polyglot.png#&!x.txt#' | LC_ALL=C sort -u
}
all_found() { diff <(places) <(hidden) >>"$work/log"; }
expect "evasions: each hidden key is found, with its place, and nothing else" all_found
skipped() { jq -r '.details.skipped[]?.path' "$job/reports/secrets/result.json" | LC_ALL=C sort; }
all_named() { [ "$(skipped | tr '\n' ' ')" = "unread/5.zip!4.zip!3.zip!2.zip!1.zip unread/a.7z unread/random.bin unread/torn.zip " ]; }
expect "evasions: what nobody can look into is named, and nothing else" all_named
step SECRETS "$scan_image" none ro 'cd /tmp; printf "[extend]\nuseDefault = true\n" >d.toml
  gitleaks dir -c d.toml --redact -f sarif -r r.sarif --exit-code 0 "$APP_DIR" >/dev/null; jq ".runs[0].results | length" r.sarif'
lied() { [ "$(tail -n 1 "$work/log")" -lt 20 ]; }
expect "lie 6: gitleaks itself passes most of them over, in silence" lied

rm -rf "$job/app"; mkdir "$job/app"
scan SECRETS secrets
expect "nothing to scan: exit 2" [ "$code" = 2 ]
echo broken >"$job/pipelines/global/gitleaks.toml"; echo text >"$job/app/file"
scan SECRETS secrets
expect "broken rules: exit 2" [ "$code" = 2 ]
