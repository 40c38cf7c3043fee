// The page around an editor: opens it, tells what happens to its document, and closes it.
//
// Everything it needs stands in the body's data attributes. While something is to be said, the cover with it lies over the
// editor; the bar with the button Close is there until an editor with such a button of its own is. Leaving loses nothing,
// so nobody is asked whether they want to: Docs saves what it has, and what it can't deliver waits in the bridge.
(() => {
  "use strict";

  const page = document.body.dataset;
  const $ = (id) => document.getElementById(id);
  const framed = page.framed === "1";

  function leave() {
    if (framed) window.parent.postMessage({onlyofficeBridge: "close"}, location.origin);
    else if (page.back) location.assign(page.back);
    else if (history.length > 1) history.back();
    else window.close();
  }

  if (!page.config) {
    // A page that only says something.
    if ($("close")) $("close").onclick = leave;
    return;
  }

  const words = JSON.parse(page.words);
  const config = JSON.parse(page.config);
  const patience = Number(page.patience) * 1000;
  let editor, slow, asking, said, told;
  let touched = false;
  let leaving = false;
  let title = document.title;

  const state = (name) => { page.state = name; };

  // Over the editor

  function cover(text, again) {
    $("message").textContent = text;
    $("again").hidden = !again;
    $("cover").hidden = !text;
    if (again) $("again").focus();
  }

  function fail(text, name) {
    clearTimeout(slow);
    state(name);
    $("bar").hidden = false;
    cover(text, true);
  }

  // A new page has a new token, and the newest version's key. One that is outdated at once, again and again, waits.
  function again(event) {
    const name = `onlyofficeBridge:${config.document.key}`;
    if (event !== undefined && sessionStorage.getItem(name)) {
      sessionStorage.removeItem(name);
      fail(words.outdated, "outdated");
      return;
    }
    if (event !== undefined) sessionStorage.setItem(name, "1");
    location.reload();
  }

  // Above the editor

  function notice(text, reload) {
    if (text === said) return;
    said = text;
    $("notice").firstElementChild.textContent = text || "";
    $("notice").hidden = !text;
    $("reload").hidden = !reload;
  }

  async function call(path, options) {
    const headers = {Accept: "application/json", "Accept-Language": document.documentElement.lang, ...options?.headers};
    const answer = await fetch(`${page.base}/${path}`, {...options, headers});
    return {status: answer.status, ...await answer.json()};
  }

  async function ask() {
    clearTimeout(asking);
    asking = setTimeout(ask, Number(page.every) * 1000);
    if (document.hidden || leaving) return;
    try {
      const news = await call(`state?document=${encodeURIComponent(page.document)}`);
      // A right that is gone is news too; a server that is away says nothing about the document.
      if (news.status >= 500 || page.state !== "ready") return;
      const text = news.error ? news.message : news.notice;
      if (text || told) notice(text);
      told = text;
    } catch {
      // Asked again soon.
    }
  }

  // Closing

  async function close() {
    if (leaving) return;
    if (framed || !touched) { leave(); return; }
    leaving = true;
    cover(words.saving);
    const body = JSON.stringify({document: page.document});
    const headers = {"Content-Type": "application/json"};
    const closed = await call("close", {method: "POST", headers, body, signal: AbortSignal.timeout(patience)}).catch(() => ({}));
    if (closed.notice || (closed.error && closed.message)) {
      // The next click on Close leaves.
      leaving = touched = false;
      $("bar").hidden = false;
      cover(closed.notice || closed.message);
      $("close").focus();
      return;
    }
    leave();
  }

  // An editor that can be asked to close says so itself, when it has sent what was typed last.
  function requestClose() {
    if (page.state === "ready" && touched && editor.requestClose) editor.requestClose();
    else close();
  }

  // The editor

  const events = {
    onAppReady() {
      clearTimeout(slow);
      state("ready");
      if (said === words.slow) notice("");
      if (!leaving) cover("");
      $("bar").hidden = config.type !== "embedded" && Boolean(editor.requestClose);
    },
    onDocumentReady() {
      page.open = "1";
      sessionStorage.removeItem(`onlyofficeBridge:${config.document.key}`);
    },
    onDocumentStateChange({data}) {
      touched = touched || data;
      document.title = data ? `* ${title}` : title;
    },
    onMetaChange({data}) {
      if (!data || !data.title) return;
      document.title = document.title.replace(title, () => data.title);
      title = data.title;
      document.querySelector("#bar h1").textContent = title;
    },
    // The editor says itself what is wrong; before it has a document, there is nothing else to see or do.
    onError() { if (!page.open) notice(words.failed, true); },
    onWarning() { ask(); },
    onOutdatedVersion: again,
    onRequestRefreshFile: again,
    onRequestClose: close,
  };
  if (page.edit) events.onRequestEditRights = () => location.assign(page.edit);

  function start() {
    if (!window.DocsAPI) { fail(words.unreachable, "unreachable"); return; }
    clearTimeout(slow);
    slow = setTimeout(() => notice(words.slow, true), patience);
    state("loading");
    editor = new window.DocsAPI.DocEditor("editor", {...config, width: "100%", height: "100%", events});
    const frame = $("stage").querySelector("iframe");
    // Docs older than the format puts in nothing.
    if (!frame) { fail(words.failed, "failed"); return; }
    frame.title = title;
    // From here on the frame shows itself what it does.
    frame.addEventListener("load", () => { if (!leaving) cover(""); });
    ask();
  }

  const script = document.createElement("script");
  script.src = page.api;
  script.onload = start;
  script.onerror = () => fail(words.unreachable, "unreachable");
  slow = setTimeout(() => fail(words.unreachable, "unreachable"), patience);
  document.head.append(script);

  said = $("notice").firstElementChild.textContent;
  $("again").onclick = $("reload").onclick = () => again();
  $("close").onclick = requestClose;
  $("dismiss").onclick = () => { $("notice").hidden = true; };
  // A page that a browser kept and shows again is one that was left.
  window.addEventListener("pageshow", ({persisted}) => { if (persisted) location.reload(); });
  document.addEventListener("visibilitychange", () => { if (!document.hidden) ask(); });
  window.addEventListener("message", ({origin, source, data}) => {
    if (origin === location.origin && source === window.parent && data?.onlyofficeBridge === "requestClose") requestClose();
  });
})();
