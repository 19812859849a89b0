// Answers what the stage scripts ask about a project: how it is tested, what starts it. It runs in the project's folder and imports
// nothing of the project.

import fs from "node:fs";

const text = (path) => { try { return fs.readFileSync(path, "utf8"); } catch { return ""; } };
const is = (path) => fs.existsSync(path);

// JSON with comments and commas at the end: what stands in strings is left as it is.
function jsonc(source) {
  const plain = source.replace(/("(?:[^"\\]|\\.)*")|\/\/[^\n]*|\/\*[^]*?\*\//g, (_, string) => string ?? "");
  return JSON.parse(plain.replace(/("(?:[^"\\]|\\.)*")|,(?=\s*[}\]])/g, (_, string) => string ?? ""));
}

const manifest = jsonc(text(is("deno.json") ? "deno.json" : "deno.jsonc").replace(/^\uFEFF/, "") || "{}");
const command = (name) => { const task = manifest.tasks?.[name]; return typeof task === "string" ? task : task?.command; };

function* files(folder = ".", depth = 0) {
  for (const entry of fs.readdirSync(folder, { withFileTypes: true })) {
    if (/^(node_modules|vendor|pipelinex-package|\..*)$/.test(entry.name)) continue;
    const path = folder === "." ? entry.name : `${folder}/${entry.name}`;
    if (entry.isDirectory() && depth < 12) yield* files(path, depth + 1);
    else if (/\.[cm]?[jt]sx?$/.test(entry.name)) yield path;
  }
}

const read = () => "yes";
// What is fetched and checked: examples may want what nobody else does.
const sources = () => [...files()].filter((path) => !/(^|\/)(examples?|docs?|testdata|fixtures)\//.test(path)).join("\n") || undefined;
const has_tests = () => ([...files()].some((path) => /([._]test|^test|\/test)\.[cm]?[jt]sx?$/.test(path)) ? "yes" : undefined);
const build = () => (command("build") ? "build" : undefined);

// The flags of `deno test` in the task `test`, where that is no more than one call of it.
function test_flags() {
  const own = /^deno test\b([^&|;<>$`]*)$/.exec(command("test")?.trim() ?? "");
  return own ? own[1].trim() || "--allow-all" : command("test") ? undefined : "--allow-all";
}
const test_task = () => (command("test") ? "test" : undefined);

// What starts the application: the kind first. Nothing: nothing does, it is a library.
function start() {
  const web = /^web:[ \t]*(.+)$/m.exec(text("Procfile"));
  if (web) return `command ${web[1].trim()}`;
  if (command("start")) return "task start";
  for (const path of ["main.ts", "server.ts", "app.ts", "src/main.ts", "src/server.ts", "mod.ts", "main.js", "server.js", "main.tsx"]) {
    if (/Deno\.serve\(|\.listen\(/.test(text(path))) return `run ${path}`;
    if (/export default[^]*\bfetch\b/.test(text(path))) return `serve ${path}`;
  }
  return undefined;
}

const answer = { read, sources, has_tests, build, test_flags, test_task, start }[process.argv[2]]();
if (answer !== undefined) console.log(answer);
