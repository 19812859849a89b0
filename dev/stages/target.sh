# SMOKE-TEST and DAST against applications on an internal network; sourced by dev/test-stages.sh.
# shellcheck shell=bash disable=SC2154

network=pipelinex-stages-$$
docker network create --internal --label pipelinex.test=stages "$network" >/dev/null
networks+=("$network")

# beside ALIAS IMAGE COMMAND [DOCKER_OPTION...]: an application in a container of its own, as hard as the others.
beside() {
  local alias=$1 image=$2 command=$3; shift 3
  containers+=("$(docker run --detach --init --label pipelinex.test=stages --user 10001:10001 --read-only --cap-drop ALL \
    --security-opt no-new-privileges --memory 768m --network "$network" --network-alias "$alias" --workdir /home/runner/app \
    --tmpfs /tmp:exec,nosuid,nodev,size=256m --volume "$job/artifacts:/home/runner/app:ro" \
    --volume "$job/pipelines:/home/runner/pipelines:ro" --env APP_DIR=/home/runner/app \
    --env PIPELINES_DIR=/home/runner/pipelines "$@" "$image" sh -c "$command")")
}
on() { # STAGE WORD URL HEALTH [DOCKER_OPTION...]
  local stage=$1 word=$2 url=$3 health=$4; shift 4
  step "$stage" "$scan_image" "$network" ro "pipelinex-scan $word" --env "TARGET_URL=$url" --env "TARGET_HEALTH=$health" \
    --env TARGET_STARTUP_SECONDS=60 "$@"
}

# Its own build: the part on Maven spoils the jar that it makes.
new_job spring-boot-maven
step BUILD "$java_image" none rw "bash \"\$PIPELINES_DIR/global/maven/build.sh\""
jar=$work/jar/greeter-1.0.0.jar
mkdir -p "$work/jar"; mv "$job/app/target/greeter-1.0.0.jar" "$jar"
empty_job target; echo text >"$job/app/file"; mkdir -p "$job/artifacts/target"
cp "$jar" "$job/artifacts/target/"
mkdir "$job/artifacts/.pipelinex"
(cd "$job/artifacts" && sha256sum target/*.jar >.pipelinex/applications.sha256)
# A shop with a hole in its search, a page that breaks, and a health that says DOWN.
cat >"$job/artifacts/shop.py" <<'END'
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

class Shop(BaseHTTPRequestHandler):
    def do_GET(self):
        url = urlsplit(self.path)
        asked = parse_qs(url.query).get("q", [""])[0]
        pages = {"/": '<a href="/search?q=tea">search</a> <form action="/search"><input name="q"></form>',
                 "/search": f"nothing found for {asked}", "/down": '{"status": "DOWN"}', "/up": '{"status": "UP"}'}
        page = pages.get(url.path)
        body = f"<html><body>{page}</body></html>" if url.path in ("/", "/search") else page or "not here"
        head = f"HTTP/1.0 {200 if page else 404} x\r\nContent-Type: text/html\r\nContent-Length: {len(body.encode())}\r\n\r\n"
        self.wfile.write((head + body).encode())

ThreadingHTTPServer(("", 8080), Shop).serve_forever()
END
hand_over; chmod -R a+rX "$job/artifacts"
beside app "$java_image" "bash \"\$PIPELINES_DIR/start.sh\""
beside shop "$scan_image" "python3 shop.py"

on SMOKE-TEST smoke http://app:8080 /actuator/health
expect "SMOKE-TEST: the packaged application comes up" result smoke-test '.status == "SUCCESS" and (.message | test("health answered 200 UP after .*GET / answered 404"))'
on DAST dast http://app:8080 /actuator/health
expect "DAST: the packaged application has nothing worse than missing headers" result dast '.message == "passed with findings: 3 low; 1 pages"'
expect "DAST: that little was seen is told" warned dast "only one page was found"
on DAST dast http://shop:8080 /up
xss() { jq -e '.vulnerabilities["Reflected Cross Site Scripting"] | any(.path == "/search" and .parameter == "q")' "$job/reports/dast/wapiti.json"; }
expect "DAST: the hole in the shop is found" xss
expect "DAST: it is counted" result dast '.message | test("^passed with findings: 1 medium, .* pages$")'
no_trace() { ! grep -q '127\.0\.0\.1' "$job"/reports/dast/*; }
expect "DAST: the page that is planted leaves no trace" no_trace
on DAST dast http://shop:8080 /up --env DAST_MAX_REQUESTS=60
expect "DAST: it ends after so many requests, with a report and a warning" warned dast "stopped after 60 requests"
expect "DAST: about so many were made" result dast '.details.requests | . >= 60 and . < 400'
on SMOKE-TEST smoke http://shop:8080 /missing
expect "SMOKE-TEST: without a health endpoint the root decides, with a warning" warned smoke-test "/missing answered 404"
on SMOKE-TEST smoke http://shop:8080 /down --env TARGET_STARTUP_SECONDS=1
expect "SMOKE-TEST: a health that says DOWN is not up" [ "$code" = 10 ]
expect "SMOKE-TEST: what was seen last is told" message smoke-test "last seen: GET http://shop:8080/down answered 200 DOWN"

step DAST "$scan_image" "$network" ro "cd /tmp && HOME=/tmp wapiti -u http://127.0.0.1:9/ -m csp --dns-endpoint localhost -f json -o r.json && jq -e '[.vulnerabilities[] | length] | add == 0' r.json"
expect "lie 3: wapiti itself finds nothing wrong with an application that is not there" [ "$code" = 0 ]
on DAST dast http://nobody:8080 / --env TARGET_STARTUP_SECONDS=1
expect "lie 3: here the application did not come up" [ "$code" = 10 ]
