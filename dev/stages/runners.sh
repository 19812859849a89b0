# The test runners of Node, wherever a project calls them; sourced by dev/test-stages.sh. It fetches all of them.
# shellcheck shell=bash disable=SC2154,SC2034

node_version=24 node_image=$(image node24-npm)
stack=node-any-any
node_ca=()
[ ! -e /etc/ssl/certs/ca-certificates.crt ] ||
  node_ca=(--volume /etc/ssl/certs/ca-certificates.crt:/ca.pem:ro --env NODE_EXTRA_CA_CERTS=/ca.pem)
node_stage() { step "$1" "$node_image" "${3:-none}" rw "bash \"\$PIPELINES_DIR/$2.sh\"" --env NODE_VERSION="$node_version" --env CI=true "${node_ca[@]}"; }
# A workspace in which each member has a runner of its own, called in a script of a script.
empty_job runners
cat >"$job/app/package.json" <<'E2'
{"name": "runners", "private": true, "workspaces": ["members/*"], "scripts": {"test": "npm run check && npm run each", "check": "node --version", "each": "npm test --workspaces"}}
E2
member() { # NAME COMMAND DEPENDENCIES TESTS
  mkdir -p "$job/app/members/$1/test"
  printf '{"name": "%s", "version": "1.0.0", "private": true, "scripts": {"test": "%s"}, "devDependencies": {%s}}' "$1" "$2" "$3" >"$job/app/members/$1/package.json"
  cat >"$job/app/members/$1/test/sum.test.js"
}
member jests "jest && echo done" '"jest": "^30.0.0"' <<'E2'
test("adds", () => expect(1 + 1).toBe(2));
test("takes away", () => expect(2 - 1).toBe(1));
E2
member vitests "vitest run" '"vitest": "^4.0.0"' <<'E2'
import { expect, test } from "vitest";
test("adds", () => expect(1 + 1).toBe(2));
E2
member mochas "mocha test" '"mocha": "^11.0.0"' <<'E2'
const assert = require("assert");
describe("sum", () => {
  it("adds", () => assert.equal(1 + 1, 2));
  it("takes <away>", () => assert.equal(2 - 1, 1));
  it.skip("is not there yet", () => {});
});
E2
hand_over
node_stage BUILD build bridge
node_stage TEST test
expect "node, runners: TEST passes" [ "$code" = 0 ]
expect "node, runners: all of them are counted, each where it is called" result test '.message == "6 tests, 0 failures"'
expect "node, runners: what Mocha prints is in the log" grep -q 'takes <away>' "$work/log"
names() { cat "$job"/app/.pipelinex-junit/*.xml; }
says() { names | grep -q 'name="takes &#60;away&#62;"'; }
expect "node, runners: names are XML" says
sed -i 's/1 + 1, 2/1 + 1, 3/' "$job/app/members/mochas/test/sum.test.js"
node_stage TEST test
expect "node, runners: a test that fails fails TEST" [ "$code" = 1 ]
expect "node, runners: and is counted" result test '.message == "6 tests, 1 failures"'
fails() { names | grep -q '<failure message="[^"]*2 == 3'; }
expect "node, runners: with its message" fails
stack=java-spring-boot-maven
