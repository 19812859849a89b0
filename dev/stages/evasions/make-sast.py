"""Files that try to pass SAST with a hole in them, each in a folder of its id, and one that is only new.

    make-sast.py DIR      writes DIR/ID/... and prints, for each id: ID FOUND[:RULE]|UNREAD FILE:LINE

FOUND: the hole must be reported there. UNREAD: the file must be named as not read. READ: it must not be. Nothing else is a pass.
"""

import io
import os
import sys
import tarfile
import zipfile

HOLE = (
    "import java.io.IOException;\n"
    "class A {\n"
    '  @GetMapping("/x") void a(@RequestParam String s) throws IOException {\n'
    '    Runtime.getRuntime().exec("ping " + s);\n'
    "  }\n"
    "}\n"
)
LINE = 4
root = sys.argv[1]


def escaped(text, marks="u"):
    return "".join(c if c == "\n" else "\\%s%04x" % (marks, ord(c)) for c in text)


def put(name, content):
    path = os.path.join(root, name)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as file:
        file.write(content if isinstance(content, bytes) else content.encode())


def hole_with(statement):
    return HOLE.replace("  }\n}", "    %s\n  }\n}" % statement)


SCRIPT = "const { exec } = require('child_process');\napp.get('/', (req, res) => exec('ping ' + req.query.s));\n"
KEY = 'class Key {\n  String password = "correct-horse-battery";\n}\n'


def zipped(**files):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name.replace("__", "/").replace("_", "."), content)
    return out.getvalue()


def tarred(name, content):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as archive:
        info = tarfile.TarInfo(name)
        info.size = len(content)
        archive.addfile(info, io.BytesIO(content))
    return out.getvalue()


CASES = [
    # id, expected, file, content, line
    ("escaped-letters", "FOUND", "src/A.java", escaped(HOLE), LINE),
    ("escaped-lines", "FOUND", "src/A.java", "".join("\\u%04x" % ord(c) for c in HOLE), 1),
    ("escaped-many-marks", "FOUND", "src/A.java", escaped(HOLE, "uuu"), LINE),
    ("escaped-comment-end", "FOUND", "src/A.java", HOLE.replace("    Runtime", "    /* \\u002a\\u002f Runtime").replace("+ s);", "+ s); //*/"), LINE),
    ("utf16-little", "FOUND", "src/A.java", b"\xff\xfe" + HOLE.encode("utf-16-le"), LINE),
    ("utf16-big", "FOUND", "src/A.java", b"\xfe\xff" + HOLE.encode("utf-16-be"), LINE),
    ("utf32", "FOUND", "src/A.java", b"\xff\xfe\0\0" + HOLE.encode("utf-32-le"), LINE),
    ("utf16-no-mark", "UNREAD", "src/A.java", HOLE.encode("utf-16-le"), 0),
    ("ebcdic", "UNREAD", "src/A.java", HOLE.encode("cp500"), 0),
    ("utf8-mark", "FOUND", "src/A.java", b"\xef\xbb\xbf" + HOLE.encode(), LINE),
    ("latin1", "FOUND", "src/A.java", HOLE.replace("class A", "class \xc4\xe9").encode("latin-1"), LINE),
    ("east-asian-quote", "UNREAD", "src/A.java", 'class A { String a = "'.encode() + b"\x83\\" + b'"; void x() {} //";\n}\n', 0),
    ("return-ends-comment", "FOUND", "src/A.java", HOLE.replace("    Runtime", "    // x\rRuntime"), LINE + 1),
    ("upper-case-name", "FOUND", "src/A.JAVA", HOLE, LINE),
    ("dot-behind-name", "FOUND", "src/A.java.", HOLE, LINE),
    ("dash-name", "FOUND", "src/-A.java", HOLE, LINE),
    ("newline-in-name", "FOUND", "src/A\nB.java", HOLE, LINE),
    ("folder-like-source", "FOUND", "src/A.java/B.java", HOLE, LINE),
    ("git-folder", "FOUND", ".git/src/A.java", HOLE, LINE),
    ("generated-folder", "FOUND", "target/generated-sources/node_modules/A.java", HOLE, LINE),
    ("link-to-text", "FOUND", "src/A.java", None, LINE),
    ("sum-of-60000-terms", "FOUND|UNREAD", "src/A.java", hole_with("int x = " + "+".join(["1"] * 60000) + ";"), LINE),
    ("deep-parentheses", "FOUND|UNREAD", "src/A.java", hole_with("int x = " + "(" * 30000 + "1" + ")" * 30000 + ";"), LINE),
    ("torn-before-hole", "UNREAD", "src/A.java", "class T { void x( {\n" + HOLE, 0),
    ("other-language", "UNREAD", "src/A.kt", 'fun a(s: String) { Runtime.getRuntime().exec("ping " + s) }\n', 0),
    ("page", "UNREAD", "src/main/webapp/a.jsp", '<% Runtime.getRuntime().exec("ping " + request.getParameter("s")); %>\n', 0),
    ("shift-bytes", "UNREAD", "src/A.java", 'class A { String a = "\x1b$B!!"; void x() {} //\x1b(B";\n}\n', 0),
    ("test-package", "FOUND:java-hardcoded-credentials", "src/main/java/src/test/Key.java", KEY, 2),
    ("project-below-test", "FOUND:java-hardcoded-credentials", "src/test/src/main/java/Key.java", KEY, 2),
    ("jar", "UNREAD", "lib/a.jar", zipped(A_class=b"\xca\xfe\xba\xbe\0\0\0\x3d"), 0),
    ("jar-with-sources", "UNREAD", "lib/a-sources.jar", zipped(a__A_java=HOLE), 0),
    ("war", "UNREAD", "a.war", zipped(WEBINF__lib__a_jar=zipped(A_class=b"\xca\xfe\xba\xbe\0")), 0),
    ("class-by-another-name", "UNREAD", "src/main/resources/a.bin", b"\xca\xfe\xba\xbe\0\0\0\x3d", 0),
    ("jar-behind-a-text", "UNREAD", "notes.txt", b"some text\n" * 20 + zipped(A_java=HOLE), 0),
    ("wrapper-by-name", "UNREAD", "gradle/wrapper/gradle-wrapper.jar", zipped(org__gradle__A_class=b"\xca\xfe\xba\xbe\0"), 0),
    ("tar-of-scripts", "UNREAD", "vendor/a.tgz", tarred("package/index.js", SCRIPT.encode()), 0),
    ("seven-zip", "UNREAD", "a.7z", b"7z\xbc\xaf\x27\x1c\0\4" + b"x" * 40, 0),
    ("archive-of-data", "READ", "data.zip", zipped(a_csv="1,2\n", b_txt="text\n"), 0),
    ("script", "FOUND:js-command-injection", "src/a.js", SCRIPT, 2),
    ("script-typescript", "FOUND:js-command-injection", "src/a.mts", SCRIPT, 2),
    ("script-escaped-names", "FOUND:js-command-injection", "src/a.js", SCRIPT.replace("exec('ping", "\\u0065xe\\u{63}('ping").replace("query", "quer\\u0079"), 2),
    ("script-separator-ends-comment", "FOUND:js-command-injection", "src/a.js", SCRIPT.replace("app", "// x\u2028app"), 2),
    ("script-return-ends-comment", "FOUND:js-command-injection", "src/a.js", SCRIPT.replace("app", "// x\rapp"), 3),
    ("script-without-ending", "FOUND:js-command-injection", "bin/www", "#!/usr/bin/env node\n" + SCRIPT, 3),
    ("script-in-git", "FOUND:js-command-injection", ".git/a.mjs", SCRIPT, 2),
    ("script-utf16", "UNREAD", "src/a.js", b"\xff\xfe" + SCRIPT.encode("utf-16-le"), 0),
    ("script-torn", "UNREAD", "src/a.js", "function ( {{{ \n" + SCRIPT, 0),
    ("vue", "UNREAD", "src/A.vue", "<script>\n" + SCRIPT + "</script>\n", 0),
    ("ejs", "UNREAD", "views/a.ejs", "<%- eval(q) %>\n", 0),
    ("pug", "UNREAD", "views/a.pug", "- eval(q)\n", 0),
    ("ruby-without-ending", "UNREAD", "bin/a", "#!/usr/bin/env ruby\nsystem(ARGV[0])\n", 0),
    ("shell", "READ", "mvnw", "#!/bin/sh\nexec mvn \"$@\"\n", 0),
    ("program", "UNREAD", "bin/tool", b"\x7fELF\2\1\1\0" + bytes(60), 0),
    ("web-assembly", "UNREAD", "public/a.dat", b"\0asm\1\0\0\0", 0),
    ("compiled", "UNREAD", "src/main/resources/A.class", b"\xca\xfe\xba\xbe\0\0\0\x3d", 0),
]
# Java 25: read as a whole, though the scanner's grammar is older.
NEW = (
    "import module java.base;\n"
    "class B extends A {\n"
    "  B(int x) {\n    if (x < 0) { throw new IllegalArgumentException(); }\n    super(x);\n  }\n"
    "  record P(int a, String b) {}\n"
    "  String f(Object o) {\n    return switch (o) { case P(int a, var _) when a > 1 -> \"p\"; case null, default -> \"\"; };\n  }\n"
    "}\n"
)
CASES.append(("new-syntax", "READ", "src/B.java", NEW, 0))

for name, expected, file, content, line in CASES:
    path = os.path.join(name, file)
    if content is None:
        put(os.path.join(name, "data/a.txt"), HOLE)
        os.makedirs(os.path.join(root, name, "src"), exist_ok=True)
        os.symlink("../data/a.txt", os.path.join(root, path))
    else:
        put(path, content)
    print(name, expected, path.replace("\n", " ") + ":" + str(line), sep="\t")
