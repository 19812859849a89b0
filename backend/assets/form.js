// The form: a file can be dropped, is looked at when it or what matters for it changes, and stays chosen after a refusal. The
// verdict has its place, so nothing moves under the pointer.
"use strict";

{
  const form = px.byId("submit"), file = px.byId("project_zip"), drop = px.byId("drop");
  const verdict = px.byId("verdict"), lines = px.byId("lines"), both = px.byId("both"), url = px.byId("github_url");
  // What is only written down says nothing about whether a project is admitted.
  const RECORD = ["project", "branch", "commit"];
  let asked = 0;

  function say(text) {
    const p = document.createElement("p");
    p.className = "dim";
    p.textContent = text;
    verdict.replaceChildren(p);
  }

  async function check() {
    const mine = ++asked;
    if (!file.files.length) return;
    say("Looking at the file ...");
    try {
      const answer = await fetch("/jobs/check?alone=true", { method: "POST", body: new FormData(form) });
      const text = await answer.text();
      if (mine === asked) verdict.innerHTML = text;
    } catch {
      if (mine === asked) say("The server cannot be reached at the moment.");
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

  form.addEventListener("change", (event) => {
    both.hidden = !(file.files.length && url.value);
    if (!RECORD.includes(event.target.name) && event.target.name !== "picked") check();
    draw();
  });
  url.addEventListener("input", () => { both.hidden = !(file.files.length && url.value); });

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

  // Sent from here, a refusal comes into its place, and file and fields stay as they are.
  form.addEventListener("submit", async (event) => {
    if (!file.files.length) return;
    event.preventDefault();
    const run = !(event.submitter && event.submitter.id === "check");
    if (!run) { check(); return; }
    const mine = ++asked;
    say("Sending the file ...");
    try {
      const answer = await fetch("/jobs?alone=true", { method: "POST", body: new FormData(form) });
      if (answer.redirected) { location.assign(answer.url); return; }
      const text = await answer.text();
      if (mine === asked) verdict.innerHTML = text;
    } catch {
      if (mine === asked) say("The server cannot be reached at the moment. Nothing was run; try again.");
    }
  });
}
