// What all pages share: clocks that go on, and putting what has changed into an open page. Everything here can be missing: the
// server draws whole pages and takes plain forms.
"use strict";

document.documentElement.classList.add("js");

const px = {
  byId: (id) => document.getElementById(id),

  // Makes one element like another, and touches nothing that is the same: focus, selection, scroll and open panels stay.
  patch(old, fresh) {
    for (const { name } of [...old.attributes]) if (!fresh.hasAttribute(name) && name !== "open") old.removeAttribute(name);
    for (const { name, value } of fresh.attributes) if (name !== "open" && old.getAttribute(name) !== value) old.setAttribute(name, value);
    const before = [...old.childNodes], after = [...fresh.childNodes];
    const named = new Map(before.filter((node) => node.id).map((node) => [node.id, node]));
    let at = old.firstChild;
    for (const node of after) {
      let match = node.id ? named.get(node.id) : at;
      const alike = match && match.nodeType === node.nodeType && match.nodeName === node.nodeName && (match.id || "") === (node.id || "");
      if (!alike) {
        old.insertBefore(document.importNode(node, true), at);
        continue;
      }
      if (match !== at) old.insertBefore(match, at);
      else at = at.nextSibling;
      if (node.nodeType !== Node.ELEMENT_NODE) { if (match.nodeValue !== node.nodeValue) match.nodeValue = node.nodeValue; }
      else if (!match.isEqualNode(node)) px.patch(match, node);
    }
    while (at) { const next = at.nextSibling; at.remove(); at = next; }
  },

  span(ms) {
    const s = Math.floor(ms / 1000), two = (n) => String(n).padStart(2, "0");
    if (s < 10) return `${s}.${Math.floor((ms % 1000) / 100)} s`;
    if (s < 60) return `${s} s`;
    if (s < 3600) return `${Math.floor(s / 60)} min ${two(s % 60)} s`;
    return `${Math.floor(s / 3600)} h ${two(Math.floor((s % 3600) / 60))} min`;
  },
};

setInterval(() => {
  for (const clock of document.querySelectorAll("[data-since]")) {
    if (clock.dataset.since) clock.textContent = px.span(Math.max(0, Date.now() - Date.parse(clock.dataset.since)));
  }
}, 1000);

// The list of jobs: rows change where they are.
{
  const jobs = px.byId("jobs");
  if (jobs && jobs.dataset.changes && window.EventSource) {
    const changes = new EventSource(jobs.dataset.changes);
    changes.addEventListener("list", (event) => {
      const fresh = document.createElement("div");
      fresh.innerHTML = JSON.parse(event.data);
      for (const { name, value } of jobs.attributes) fresh.setAttribute(name, value);
      px.patch(jobs, fresh);
    });
    addEventListener("pagehide", () => changes.close());
  }
}
