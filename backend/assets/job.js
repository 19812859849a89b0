// A job: one stream says when something has changed, and what has is put in its place; one more for each log that is open and
// grows. While nothing happens nothing is asked.
"use strict";

{
  // The most lines of a log in the document.
  const LINES = 3000;
  const summary = px.byId("summary"), logs = px.byId("logs"), id = summary.dataset.job;
  const streams = new Map();

  const box = (panel) => panel.querySelector(".log");
  const follows = (panel) => panel.querySelector(".follow").checked;

  function toEnd(panel) { const log = box(panel); log.scrollTop = log.scrollHeight; }

  function prepare(panel) {
    if (panel.dataset.ready) return;
    panel.dataset.ready = "true";
    const log = box(panel), follow = panel.querySelector(".follow"), wrapped = panel.querySelector(".wrapped");
    wrapped.addEventListener("change", () => log.classList.toggle("wrap", wrapped.checked));
    follow.addEventListener("change", () => { if (follow.checked) toEnd(panel); });
    // Who scrolls up wants to read; who comes back to the end wants to follow.
    log.addEventListener("scroll", () => {
      if (panel.dataset.running === "true") follow.checked = log.scrollTop + log.clientHeight >= log.scrollHeight - 24;
    }, { passive: true });
    panel.addEventListener("toggle", () => { if (panel.open) shown(panel); else hidden(panel); });
    if (panel.open) shown(panel);
  }

  function shown(panel) {
    if (!panel.dataset.seen) {
      panel.dataset.seen = "true";
      const failure = panel.dataset.failure && px.byId(panel.dataset.failure);
      const log = box(panel);
      if (failure) log.scrollTop = failure.offsetTop - log.offsetTop - log.clientHeight / 4;
      else toEnd(panel);
    }
    listen(panel);
  }

  function hidden(panel) {
    const stream = streams.get(panel);
    if (stream) { stream.close(); streams.delete(panel); }
  }

  // A log from the byte where it ends here. The stream comes back by itself, at the byte where it was.
  function listen(panel) {
    if (streams.has(panel) || panel.dataset.running !== "true" || !panel.open) return;
    const stream = new EventSource(`/api/jobs/${id}/${panel.dataset.stage}/logs/stream?drawn=true&offset=${panel.dataset.offset}`);
    streams.set(panel, stream);
    // One that was answered with an error is given up by the browser, and not by us.
    stream.addEventListener("error", () => {
      if (stream.readyState !== EventSource.CLOSED) return;
      hidden(panel);
      setTimeout(() => listen(panel), 2000);
    });
    stream.addEventListener("log", (event) => {
      const log = box(panel), following = follows(panel);
      log.insertAdjacentHTML("beforeend", JSON.parse(event.data).html);
      panel.dataset.offset = event.lastEventId;
      if (following) {
        let over = log.childElementCount - LINES;
        while (over-- > 0) log.firstElementChild.remove();
        toEnd(panel);
      }
    });
    stream.addEventListener("reset", () => box(panel).replaceChildren());
    stream.addEventListener("eof", () => { panel.dataset.running = "false"; hidden(panel); });
  }

  // What has changed of the page; at most two looks a second, and one after the last change.
  let looking = false, again = false;
  async function look() {
    if (looking) { again = true; return; }
    looking = true;
    try {
      const answer = await fetch(location.pathname);
      if (answer.ok) put(new DOMParser().parseFromString(await answer.text(), "text/html"));
    } catch { /* the next change brings it */ }
    setTimeout(() => { looking = false; if (again) { again = false; look(); } }, 500);
  }

  function put(page) {
    document.title = page.title;
    px.patch(summary, page.getElementById("summary"));
    for (const fresh of page.querySelectorAll(".panel")) {
      const panel = px.byId(fresh.id);
      if (!panel) {
        logs.append(document.importNode(fresh, true));
        prepare(px.byId(fresh.id));
        continue;
      }
      px.patch(panel.querySelector("summary"), fresh.querySelector("summary"));
      const ended = panel.dataset.running === "true" && fresh.dataset.running === "false";
      const told = [panel, fresh].map((part) => part.querySelector("ul.tools"));
      if (told[1] && !told[0]) box(panel).before(document.importNode(told[1], true));
      else if (told[0] && told[1]) px.patch(told[0], told[1]);
      if (fresh.dataset.failure) panel.dataset.failure = fresh.dataset.failure;
      if (fresh.open && !panel.dataset.seen) panel.open = true;
      // A closed one is drawn anew; an open one hears the rest, and its end, from its stream.
      if (ended && !panel.open) {
        panel.dataset.running = "false";
        box(panel).innerHTML = fresh.querySelector(".log").innerHTML;
        panel.dataset.offset = fresh.dataset.offset;
      }
    }
    const files = document.querySelector(".files"), freshFiles = page.querySelector(".files");
    if (files && freshFiles) px.patch(files, freshFiles);
  }

  document.querySelectorAll(".panel").forEach(prepare);
  // A link into a log opens it.
  function open(target) {
    const element = target && px.byId(target), panel = element && element.closest(".panel");
    if (panel) { panel.open = true; element.scrollIntoView({ block: element === panel ? "start" : "center" }); }
  }
  document.addEventListener("click", (event) => {
    const link = event.target.closest('a[href^="#"]');
    if (link) open(link.getAttribute("href").slice(1));
  });
  if (location.hash) open(location.hash.slice(1));

  // Each connection begins with how the job stands: after a lost one that may be news.
  let known = "", events = null;
  function hear() {
    events = new EventSource(`/api/jobs/${id}/events`);
    events.addEventListener("state", (event) => {
      if (known !== event.data) look();
      known = event.data;
    });
    events.addEventListener("eof", () => { events.close(); look(); });
    events.addEventListener("error", () => { if (events.readyState === EventSource.CLOSED) setTimeout(hear, 2000); });
  }
  if (summary.dataset.ended !== "true" && window.EventSource) {
    hear();
    addEventListener("pagehide", () => { events.close(); streams.forEach((stream) => stream.close()); });
  }
}
