// What makes the pages livelier. Everything here can be missing: the server draws whole pages and takes plain forms.
"use strict";

const byId = (id) => document.getElementById(id);

// The form: a file can be dropped, is looked at as soon as it is there, and the lines for a shell follow what is chosen.
function form() {
  const form = byId("submit");
  if (!form) return;
  const file = byId("project_zip"), drop = byId("drop"), verdict = byId("verdict"), lines = byId("lines");

  let asked = 0;
  async function check() {
    const mine = ++asked;
    if (!file.files.length) { verdict.replaceChildren(); return; }
    verdict.textContent = "Looking at the file ...";
    try {
      const answer = await fetch("/jobs/check?alone=true", { method: "POST", body: new FormData(form) });
      const text = await answer.text();
      if (mine === asked) verdict.innerHTML = text;
    } catch {
      if (mine === asked) verdict.textContent = "The server cannot be reached at the moment.";
    }
  }
  async function draw() {
    const fields = new URLSearchParams();
    for (const [name, value] of new FormData(form)) if (typeof value === "string" && value) fields.append(name, value);
    try {
      const answer = await fetch("/jobs/lines?" + fields);
      if (answer.ok) lines.innerHTML = await answer.text();
    } catch { /* the old lines stay */ }
  }
  form.addEventListener("change", () => { check(); draw(); });
  for (const kind of ["dragenter", "dragover"]) {
    drop.addEventListener(kind, (event) => { event.preventDefault(); drop.classList.add("over"); });
  }
  for (const kind of ["dragleave", "drop"]) drop.addEventListener(kind, () => drop.classList.remove("over"));
  drop.addEventListener("drop", (event) => {
    event.preventDefault();
    if (event.dataTransfer.files.length) {
      file.files = event.dataTransfer.files;
      file.dispatchEvent(new Event("change", { bubbles: true }));
    }
  });
}

// The same rule as the server's: what a terminal would obey is not shown.
function plain(text) {
  return text
    .replace(/\x1b\[[^@-~]*[@-~]/g, "")
    .replace(/\x1b[\]P_^][^\x07\x1b\n]*(\x07|\x1b.|\n|$)/g, "")
    .replace(/\x1b./g, "")
    .replace(/\r\n/g, "\n").replace(/\r/g, "\n")
    .replace(/[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\u200b-\u200f\u202a-\u202e\u2066-\u2069\ufeff]/g, "\ufffd");
}

// A job: its summary is drawn by the server and put in place, its logs grow from the byte where they end.
function job() {
  const first = byId("summary");
  if (!first || first.dataset.ended === "true") return;
  const id = first.dataset.job, decoders = new Map();

  async function grow(panel) {
    const address = `/api/jobs/${id}/${panel.dataset.stage}/logs?offset=${panel.dataset.offset}`;
    const answer = await fetch(address);
    if (!answer.ok) return;
    const bytes = await answer.arrayBuffer();
    if (!bytes.byteLength) return;
    panel.dataset.offset = answer.headers.get("x-log-next-offset");
    if (!decoders.has(panel)) decoders.set(panel, new TextDecoder());
    const pre = panel.querySelector("pre");
    const atEnd = pre.scrollTop + pre.clientHeight >= pre.scrollHeight - 8;
    pre.append(plain(decoders.get(panel).decode(bytes, { stream: true })));
    if (atEnd) pre.scrollTop = pre.scrollHeight;
  }

  async function look() {
    let pause = 1000;
    try {
      const answer = await fetch(location.pathname);
      if (answer.ok) {
        const page = new DOMParser().parseFromString(await answer.text(), "text/html");
        const summary = page.getElementById("summary");
        byId("summary").replaceWith(summary);
        document.title = page.title;
        for (const fresh of page.querySelectorAll("details.log")) {
          const panel = byId(fresh.id);
          if (!panel) { byId("logs").append(fresh); continue; }
          panel.querySelector("summary").replaceWith(fresh.querySelector("summary"));
          if (fresh.open && !panel.dataset.opened) { panel.open = true; panel.dataset.opened = "true"; }
        }
        await Promise.all([...document.querySelectorAll("details.log")].map(grow));
        if (summary.dataset.ended === "true") return;
      }
    } catch { pause = 3000; }
    setTimeout(look, pause);
  }
  setTimeout(look, 500);
}

form();
job();
