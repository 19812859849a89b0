// Makes test runners write JUnit XML, wherever in the project's script they are called, and as often: NODE_OPTIONS has every process
// of the script load this file first. It adds what the runner's own command line knows for it, and changes nothing else; Mocha, which
// has one reporter at a time, is listened to. node:test takes its flags from NODE_OPTIONS, in test.sh.

const fs = require("node:fs");
const path = require("node:path");

const folder = process.env.PIPELINEX_JUNIT;
const program = (process.argv[1] ?? "").replaceAll("\\", "/");
const file = () => path.join(folder, `junit-${process.pid}.xml`);
const reporter = process.env.PIPELINEX_JEST_JUNIT;
const has = (flag) => process.argv.some((word) => word === flag || word.startsWith(`${flag}=`));

if (folder && /\/(?:jest|jest-cli)\/bin\/jest(?:\.js)?$|\/react-scripts\/scripts\/test\.js$|\/\.bin\/jest$/.test(program)) {
  if (reporter && !has("--listTests") && !has("--version")) process.argv.push("--reporters=default", `--reporters=${reporter}`);
} else if (folder && /\/vitest(?:\/vitest)?\.mjs$|\/\.bin\/vitest$/.test(program)) {
  const own = has("--reporter") ? [] : ["--reporter=default"];
  // Without a command it watches, unless CI says otherwise; `bench`, `list` and the like know no reports.
  if (!/^(?:bench|list|init|typecheck)$/.test(process.argv[2] ?? "")) process.argv.push(...own, "--reporter=junit", `--outputFile.junit=${file()}`);
} else if (folder && /\/borp(?:\/borp\.js)?$/.test(program)) {
  process.argv.push("--reporter=spec", `--reporter=junit:${file()}`);
} else if (folder && /\/mocha\/(?:bin|lib)\/|\/\.bin\/_?mocha$/.test(program)) {
  listen();
}

// What Mocha makes runs of is a function called Mocha; each run of it gets a listener.
function listen() {
  const Module = require("node:module");
  const load = Module._load;
  const seen = new WeakSet();
  Module._load = function () {
    const loaded = load.apply(this, arguments);
    if (typeof loaded === "function" && loaded.name === "Mocha" && typeof loaded.prototype?.run === "function" && !seen.has(loaded)) {
      seen.add(loaded);
      const run = loaded.prototype.run;
      loaded.prototype.run = function () {
        const runner = run.apply(this, arguments);
        if (runner?.on) collect(runner);
        return runner;
      };
    }
    return loaded;
  };
}

function collect(runner) {
  const cases = [];
  // A test that is tried again ends more than once; a hook that fails has no end of its own.
  const add = (test, inner) => cases.push({ test, inner });
  runner.on("pass", (test) => add(test, ""));
  runner.on("pending", (test) => add(test, "<skipped/>"));
  runner.on("fail", (test, error) => add(test, `<failure message="${text(error?.message)}">${text(error?.stack ?? error)}</failure>`));
  runner.once("end", () => {
    const lines = cases.map(({ test, inner }) => {
      const suite = test.parent?.fullTitle?.() || "mocha";
      const place = test.file ? ` file="${text(path.relative(process.cwd(), test.file))}"` : "";
      return `<testcase classname="${text(suite)}" name="${text(test.title)}" time="${(test.duration ?? 0) / 1000}"${place}>${inner}</testcase>`;
    });
    fs.writeFileSync(file(), `<?xml version="1.0" encoding="UTF-8"?>\n<testsuites>\n<testsuite name="mocha">\n${lines.join("\n")}\n</testsuite>\n</testsuites>\n`);
  });
}

// What XML cannot have at all is left out.
function text(value) {
  const plain = String(value ?? "").replace(/[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\u{10000}-\u{10ffff}]/gu, "");
  return plain.replace(/[&<>"]/g, (letter) => `&#${letter.charCodeAt(0)};`);
}
