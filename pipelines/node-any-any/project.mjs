// Answers what the stage scripts ask about a project: how it is installed, how it is tested, what starts it. It runs in the
// project's folder and imports nothing of the project.

import fs from "node:fs";

const text = (path) => { try { return fs.readFileSync(path, "utf8"); } catch { return ""; } };
const manifest = JSON.parse(text("package.json").replace(/^\uFEFF/, ""));
const scripts = manifest.scripts ?? {};
const is = (path) => fs.existsSync(path);

function manager() {
  const named = /^(npm|pnpm|yarn|bun)@(\d+)/.exec(manifest.packageManager ?? "");
  if (named) return named[1] === "yarn" ? (named[2] === "1" ? "yarn1" : "yarn4") : named[1];
  if (is("package-lock.json") || is("npm-shrinkwrap.json")) return "npm";
  if (is("pnpm-lock.yaml")) return "pnpm";
  if (is("yarn.lock")) return /^# yarn lockfile v1$/m.test(text("yarn.lock")) ? "yarn1" : "yarn4";
  if (is("bun.lock") || is("bun.lockb")) return "bun";
  return is("pnpm-workspace.yaml") ? "pnpm" : "npm";
}

function lock() {
  const files = { npm: ["package-lock.json", "npm-shrinkwrap.json"], pnpm: ["pnpm-lock.yaml"], yarn1: ["yarn.lock"], yarn4: ["yarn.lock"], bun: ["bun.lock", "bun.lockb"] };
  return files[manager()].find(is);
}

// The bun that the project names, or the one that was tried here.
const bun = () => /^bun@([\w.-]+)/.exec(manifest.packageManager ?? "")?.[1] ?? "1.4.5";

const name = () => String(manifest.name ?? "application").replace(/[^A-Za-z0-9._-]+/g, "-").replace(/^-+/, "") || "application";
const version = () => manifest.version ?? "0.0.0";
const build = () => (scripts.build ? "build" : undefined);

// The script that runs the tests: `test`, or the one that does nothing else than what `test` calls.
function test() {
  let found = "test";
  for (let i = 0; i < 5; i++) {
    const next = /^(?:npm run|npm run-script|pnpm run|pnpm|yarn run|yarn|bun run) ([\w:.-]+)$/.exec(scripts[found]?.trim() ?? "");
    if (!next || !scripts[next[1]]) break;
    found = next[1];
  }
  return scripts[found] && !scripts[found].includes("no test specified") ? found : undefined;
}

// Whether bun finds tests where no script says how they are run.
function bun_tests() {
  if (manager() !== "bun") return undefined;
  const found = (folder, depth) => fs.readdirSync(folder, { withFileTypes: true }).some((entry) => {
    if (entry.isDirectory()) return depth < 8 && !/^(node_modules|\..*)$/.test(entry.name) && found(`${folder}/${entry.name}`, depth + 1);
    return /[._](test|spec)\.[cm]?[jt]sx?$/.test(entry.name);
  });
  return found(".", 0) ? "yes" : undefined;
}

// All that the script of the tests runs, as far as scripts call each other.
function reached() {
  const seen = new Set();
  const look = (name) => {
    if (seen.has(name) || !scripts[name]) return;
    seen.add(name);
    const calls = /\b(?:npm run|npm run-script|pnpm run|pnpm|yarn run|yarn|bun run|run-s|run-p|npm-run-all) ([^&|;]*)/g;
    for (const call of scripts[name].matchAll(calls)) call[1].split(/\s+/).forEach(look);
  };
  look(test() ?? "");
  return [...seen].map((name) => scripts[name]).join("\n");
}

// What runs the tests: `node` takes its flags from the environment, wherever it stands; Jest wants a reporter that most do not bring.
function runner() {
  if (/\bnode\b[^&|;\n]*\s--test\b/.test(reached())) return "node";
  const jest = /\bjest\b|\breact-scripts test\b/.test(reached()) || is("node_modules/jest") || is("node_modules/react-scripts");
  return jest ? "jest" : "other";
}

const LISTENS = /\.listen\(|\bcreateServer\(|\bserve\(|@hono\/node-server|fastify/;
// Servers for whoever develops a front end: what is delivered are the files that its build makes.
const DEVELOPS = /^(?:cross-env \S+ )*(?:npx )?(?:vite|vite dev|vite preview|react-scripts start|ng serve|webpack(?:-dev-server| serve)|parcel|vue-cli-service serve|rsbuild dev|rspack serve|astro dev|gatsby develop|docusaurus start)\b/;

// The folder of files that a front end ends in.
function site() {
  if (!scripts.build || (scripts.start && !DEVELOPS.test(scripts.start))) return undefined;
  const folders = ["dist", "build", "out", "public", "_site", ".output/public"];
  const below = (folder) => (is(folder) ? fs.readdirSync(folder).flatMap((inner) => [`${folder}/${inner}`, `${folder}/${inner}/browser`]) : []);
  return [...folders, ...below("dist")].find((folder) => is(`${folder}/index.html`));
}

// What starts the application: the kind first. Nothing: nothing does, it is a library.
function start() {
  const web = /^web:[ \t]*(.+)$/m.exec(text("Procfile"));
  if (web) return `command ${web[1].trim()}`;
  const files = site();
  if (files) return `static ${files}`;
  if (scripts["start:prod"]) return "script start:prod";
  if (scripts.start && !DEVELOPS.test(scripts.start)) return "script start";
  const usual = [manifest.main, "server.js", "app.js", "index.js", "src/server.js", "src/app.js", "src/index.js", "server.mjs", "index.mjs"];
  // What bun serves may be no more than what a file exports.
  const served = [manifest.module, "index.ts", "src/index.ts", "server.ts", "src/server.ts", "app.ts", "src/app.ts", ...usual];
  const serves = (path) => LISTENS.test(text(path)) || /export default[^]*\bfetch\b/.test(text(path));
  const own = manager() === "bun" && !manifest.files ? served.find((path) => path && is(path) && serves(path)) : undefined;
  if (own) return `command bun ${own}`;
  const file = usual.find((path) => path && is(path) && LISTENS.test(text(path)) && !manifest.exports && !manifest.files);
  return file ? `command node ${file}` : undefined;
}

// Whether what starts it would go with the dependencies of development.
function needs_dev() {
  const [kind, rest] = (start() ?? "").split(/ (.*)/s);
  const line = kind === "script" ? scripts[rest] : rest ?? "";
  const development = Object.keys(manifest.devDependencies ?? {}).filter((name) => !(manifest.dependencies ?? {})[name]);
  const owner = (word) => { try { return /node_modules\/(?:\.pnpm\/[^/]+\/node_modules\/)?((?:@[^/]+\/)?[^/]+)/.exec(fs.realpathSync(`node_modules/.bin/${word}`))?.[1]; } catch { return undefined; } };
  const words = line.split(/[\s=]+/);
  return words.some((word) => development.includes(owner(word)) || development.includes(word.split("/")[0])) ? "yes" : undefined;
}

const answer = { manager, bun, bun_tests, lock, name, version, build, test, runner, site, start, needs_dev }[process.argv[2]]();
if (answer !== undefined) console.log(answer);
