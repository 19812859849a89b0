# SCA on a jar, and on a source that shows only a part; sourced by dev/test-stages.sh.
# shellcheck shell=bash disable=SC2154

# A jar with a known vulnerable library and one that nobody recognises, and a database for tests: three advisories. The
# source names the same vulnerable library, with a version that is somewhere else.
empty_job sca
cat >"$job/app/pom.xml" <<'END'
<project><modelVersion>4.0.0</modelVersion><groupId>org.x</groupId><artifactId>app</artifactId><version>1.0</version><dependencies>
  <dependency><groupId>org.apache.logging.log4j</groupId><artifactId>log4j-core</artifactId></dependency>
</dependencies></project>
END
mkdir -p "$job"/inputs/{package,build}/target "$job"/advisories/osv-scalibr/Maven
cat >"$job/make.py" <<'END'
import io, json, zipfile

def jar(files):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return buffer.getvalue()

def library(group, artifact, version):
    described = f"META-INF/maven/{group}/{artifact}/pom.properties"
    return jar({"META-INF/MANIFEST.MF": "Manifest-Version: 1.0\n\n",
                described: f"groupId={group}\nartifactId={artifact}\nversion={version}\n"})

def application(*libraries):
    files = {"META-INF/MANIFEST.MF": "Manifest-Version: 1.0\nImplementation-Title: app\nImplementation-Version: 1.0\n\n"}
    files |= {f"BOOT-INF/lib/{a}-{v}.jar": library(g, a, v) for g, a, v in libraries}
    return files

log4j, yaml, fine = [("org.apache.logging.log4j", "log4j-core", "2.14.1"), ("org.yaml", "snakeyaml", "1.33"), ("org.x", "fine", "1.0")]
open("/job/inputs/package/target/app.jar", "wb").write(jar(application(log4j, yaml, fine) | {"BOOT-INF/lib/odd.jar": "no jar"}))
open("/job/inputs/build/target/app.jar", "wb").write(jar(application(fine)))

def advisory(id, aliases, package, fixed, severity):
    return {"id": id, "modified": "2026-11-20T00:00:00Z", "aliases": aliases, "summary": f"test data about {package}",
            "database_specific": {"severity": severity}, "affected": [{"package": {"ecosystem": "Maven", "name": package},
            "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "1"}, {"fixed": fixed}]}]}]}

with zipfile.ZipFile("/job/advisories/osv-scalibr/Maven/all.zip", "w") as archive:
    for entry in [advisory("GHSA-jfh8-c2jp-5v3q", ["CVE-2021-44228"], "org.apache.logging.log4j:log4j-core", "2.15.0", "CRITICAL"),
                  advisory("GHSA-mjmj-j48q-9wg2", ["CVE-2022-1471"], "org.yaml:snakeyaml", "2.0", "HIGH"),
                  advisory("CVE-2022-1471", ["GHSA-mjmj-j48q-9wg2"], "org.yaml:snakeyaml", "2.0", "HIGH")]:
        archive.writestr(entry["id"] + ".json", json.dumps(entry))
END
docker run --rm --network none --volume "$job:/job" --user 0:0 "$scan_image" python3 /job/make.py
database() { # ECOSYSTEM NEWEST
  printf '{"schema": 1, "imported_at": "%s", "source": "a test", "ecosystems": {"%s": {"advisories": 3, "newest": "%s", "sha256": "00", "bytes": 1}}}' \
    "$2" "$1" "$2" >"$job/advisories/info.json"
}
yesterday=$(date --utc --date '25 hours ago' +%FT%TZ)
database Maven "$yesterday"
hand_over
sca() { scan SCA sca --volume "$job/inputs:/home/runner/inputs:ro" --env INPUTS_DIR=/home/runner/inputs \
  --volume "$job/advisories:/home/runner/advisories:ro" --env ADVISORIES_DIR=/home/runner/advisories; }

sca
found() {
  [ "$(jq -r '.results[].packages[] | select(.groups) | .package.name + " " + .groups[0].ids[0] + " " + .pipelinex.location' "$job/reports/sca/osv.json")" = \
"log4j-core GHSA-jfh8-c2jp-5v3q BOOT-INF/lib/log4j-core-2.14.1.jar
snakeyaml CVE-2022-1471 BOOT-INF/lib/snakeyaml-1.33.jar" ]
}
expect "SCA: the planted libraries are found in PACKAGE's jar, with their place" found
expect "SCA: the message counts and tells the age" message sca "findings: 1 critical, 1 high; advisories of ${yesterday%T*}, 1 day old; 1 libraries not recognised"
expect "SCA: a library that nobody recognises is told" warned sca "BOOT-INF/lib/odd.jar"
expect "SCA: the bill of materials is kept" jq -e '.components | length > 3' "$job/reports/sca/bom.json"
rm -rf "$job/inputs/package"; database Maven 2020-01-01T00:00:00Z
sca
expect "SCA: without PACKAGE BUILD's jar is scanned, and it is clean" message sca "^no known vulnerabilities in 2 components"
expect "SCA: an old database is told" warned sca "days old"
database npm "$yesterday"
sca
expect "SCA: an ecosystem that the database lacks is an error" message sca 'nothing on Maven: add it with `pipelinex db'
expect "SCA: that is the tool's" [ "$code" = 2 ]
echo torn >"$job/inputs/build/target/app.jar"
sca
expect "SCA: a jar that is none is an error" [ "$code" = 2 ]
rm -rf "$job"/inputs/*; database Maven "$yesterday"
step SCA "$sca_image" none ro "cd /tmp && syft scan -q dir:\"\$APP_DIR\" -o cyclonedx-json=bom.json && osv-scanner scan source --offline -L bom.json" \
  --volume "$job/advisories:/home/runner/advisories:ro" --env OSV_SCANNER_LOCAL_DB_CACHE_DIRECTORY=/home/runner/advisories
expect "lie 5: the tools themselves find a source clean whose versions they cannot see" [ "$code" = 0 ]
sca
expect "lie 5: here that is an error that says what to do" message sca "Select run_package"
expect "lie 5: it is the tool's" [ "$code" = 2 ]
printf '[[package]]\nname = "a"\nversion = [\n[[package]]\n' >"$job/app/Cargo.lock"
sca
expect "SCA: a lock file that syft passed over is named" result sca '[.details.skipped[].path] == ["Cargo.lock"]'
no_trace() { ! grep -q 'PIPELINEX-' "$job"/reports/sca/*; }
expect "SCA: what is planted leaves no trace" no_trace
rm "$job/advisories/info.json"
sca
expect "SCA: no database is an error" message sca 'pipelinex db'
