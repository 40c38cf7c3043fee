// The connector's entries in HumHub's menus, and the window in which documents open.
//
// Theory of operation. HumHub's pages change without being loaded anew, and write parts of themselves again as they like.
// So nothing is remembered of them: a scan looks in what is new for the places that should have entries, and gives them
// to those that have none. What an entry is for stands in its own attribute, as JSON, and one listener hears every
// click, so an entry that a page has copied, or written back from text, still works.
//
// A file is {guid, name, place, right}. Its place is an address of HumHub's own, where the file lies: a folder's upload, a
// post's edit form. Whether the user may change it is taken from what the page offers them; the server asks HumHub.
//
// Where the official module's entries are in a page, ours leave it.
(() => {
  "use strict";
  if (window.onlyofficeBridge) return;
  window.onlyofficeBridge = true;

  const base = new URL(".", document.currentScript.src);
  const ENTRY = "data-onlyoffice-bridge";
  const OURS = "onlyoffice-bridge";
  const MODULE = '[data-action-url*="onlyoffice/"], [data-action-url*="onlyoffice%2F"]';
  const opened = new Map(); // By guid, where a document opens that was made in a form and isn't posted yet.
  let words, kinds, formats, targets; // menu.json
  const fresh = new Set(); // What came into the page since the last scan.
  let scanning, returning, gone;

  // The bridge

  async function ask(path, body) {
    const headers = {"Accept-Language": document.documentElement.lang || "en"};
    const post = {method: "POST", headers: {...headers, "Content-Type": "application/json"}, body: JSON.stringify(body)};
    const answer = await fetch(new URL(path, base), body ? post : {headers}).catch(() => null);
    const said = await answer?.json().catch(() => null);
    if (!answer?.ok || !said) throw new Error(said?.message || words?.unreachable || "no answer");
    return said;
  }

  // What is in the page

  const path = (address) => {
    const url = new URL(address, location.href);
    return url.pathname + url.search;
  };
  const guidOf = (link) => new URL(link.dataset.fileUrl || link.href, location.href).searchParams.get("guid");
  const fileOf = (link) => ({guid: guidOf(link), name: link.dataset.fileName || link.textContent.trim()});
  const editOf = (node) => {
    const link = node.closest(".wall-entry")?.querySelector(".stream-entry-edit-link");
    return link?.dataset.actionUrl || link?.dataset.actionClickUrl || "";
  };

  // The edit form of a post, around a node or where its entry's menu leads: who may not edit it has neither.
  function postOf(node) {
    const form = node.closest("form")?.getAttribute("action") || "";
    const found = [form, editOf(node)].find((address) => /post(\/|%2F)post(\/|%2F)edit\b/i.test(address));
    return found && !node.closest(".comment-container, .comment, .comment_create") ? path(found) : "";
  }

  // The places that have a file: how one is found, what file it has, and how its entries are shown.
  const PLACES = [
    {
      // A row of a folder's list, and the menu of that row.
      at: "tr[data-cfiles-item]",
      file: (row) => {
        const folder = row.dataset.cfilesItem.startsWith("file_") && row.closest("[data-upload-url]");
        const right = Boolean(folder) && "cfilesEditable" in row.dataset;
        return {...fileOf(row.querySelector(".title a[href]")), place: folder ? path(folder.dataset.uploadUrl) : "", right};
      },
      show: (row, file, actions) => {
        row.querySelector(".title").append(links(file, actions.slice(0, 1)));
        row.querySelector("ul.contextMenu")?.prepend(...actions.map((action) => item(entry(file, action, "dropdown-item"))));
      },
    },
    {
      // A file of a post or comment, or of a form for one. HumHub's script makes these.
      at: "[data-preview-guid]",
      file: (node) => {
        const name = node.querySelector("a[href]") || node.querySelector(".file-preview-content").firstChild;
        const place = postOf(node);
        return {guid: node.dataset.previewGuid, name: name.textContent.trim(), place, right: Boolean(place)};
      },
      show: (node, file, actions) => node.querySelector(".file-preview-content").after(links(file, actions)),
    },
    {
      // A folder's file in the stream; the folder is told by the button that leads there.
      at: ".wall-entry-content a[data-file-download][data-file-name]",
      file: (link) => {
        const folder = link.closest(".wall-entry-content").querySelector('a[href*="cfiles"][href*="browse"]');
        const place = path(folder.href).replace(/(cfiles(?:\/|%2F))browse(?:(?:\/|%2F)index)?/i, "$1upload");
        return {...fileOf(link), place, right: /cfiles(\/|%2F)edit/i.test(editOf(link))};
      },
      in: (link) => link.parentNode,
      show: (link, file, actions) => link.parentNode.append(links(file, actions)),
    },
    {
      // What HumHub shows of a single file; where that lies, only an entry behind it knows.
      at: ".modal .btn-group > a[data-file-download][data-file-name]",
      file: (link) => {
        const file = fileOf(link);
        const known = entries(file.guid).map(meant).find(({right}) => right);
        return {place: "", ...known, ...file};
      },
      in: (link) => link.parentNode.parentNode,
      show: (link, file, actions) => {
        const buttons = actions.map((action) => entry(file, action, "btn btn-primary me-1"));
        link.parentNode.before(make("div", {className: `btn-group ${OURS}`}, ...buttons), " ");
      },
    },
    {
      // A page of the bridge's own says it all.
      at: "[data-bridge-file]",
      file: ({dataset: {bridgeFile, bridgeName, bridgePlace, bridgeWritable}}) => (
        {guid: bridgeFile, name: bridgeName, place: bridgePlace, right: bridgeWritable !== undefined}
      ),
      show: (node, file, actions) => node.append(links(file, actions)),
    },
  ];

  function scan() {
    scanning = 0;
    const roots = [...fresh].filter((root) => root.isConnected);
    fresh.clear();
    const found = (selector) => new Set(roots.flatMap((root) => [root.closest(selector), ...root.querySelectorAll(selector)]));
    const each = (selector, act) => found(selector).forEach((node) => { if (node) act(node); });
    each(MODULE, leave);
    if (gone) return;
    each('[data-action-click="file.uploadByType"]', offerKinds);
    each("[data-bridge-create]:empty", ownMenu);
    for (const place of PLACES) {
      each(place.at, (node) => {
        if ((place.in ? place.in(node) : node).querySelector(`.${OURS}`)) return;
        try {
          offer(node, place);
        } catch {
          // It has no file, or isn't what it looks like.
        }
      });
    }
    if (returning && document.activeElement === document.body) focus(returning);
  }

  function leave() {
    gone = true;
    watcher.disconnect();
    for (const node of document.querySelectorAll(`.${OURS}`)) node.remove();
  }

  function offer(node, place) {
    const file = place.file(node);
    if (!file.right && opened.has(file.guid)) Object.assign(file, {right: true, open: opened.get(file.guid)});
    const known = formats.get(file.name.split(".").pop().toLowerCase()) || [];
    const actions = known.filter((action) => file.right || action === "view");
    if (file.guid && actions.length) place.show(node, file, actions);
  }

  function offerKinds(upload) {
    const list = upload.closest("ul.dropdown-menu");
    const group = list?.closest(".btn-group");
    // A rich text brings a second menu with it, which nobody sees.
    if (!group || group.matches(".d-none") || list.querySelector(`.${OURS}`)) return;
    const folder = group.querySelector("[data-upload-url]")?.dataset.uploadUrl;
    const head = make("h6", {className: "dropdown-header", textContent: words.createDocument});
    list.append(item(make("hr", {className: "dropdown-divider"})), item(head));
    appendKinds(list, {place: folder ? path(folder) : postOf(list), form: !folder});
  }

  function appendKinds(list, where) {
    const made = kinds.map(({kind, label}) => {
      const link = entry({...where, kind}, "create", "dropdown-item");
      link.textContent = label;
      return item(link);
    });
    list.append(...made);
  }

  function ownMenu(node) {
    const list = make("ul", {});
    appendKinds(list, {place: node.dataset.bridgeCreate});
    node.append(make("details", {className: OURS}, make("summary", {textContent: words.createDocument}), list));
  }

  // Elements

  function make(name, properties, ...children) {
    const node = document.createElement(name);
    for (const [key, value] of Object.entries(properties)) {
      if (key in node) node[key] = value;
      else node.setAttribute(key, value);
    }
    node.append(...children);
    return node;
  }

  const item = (child) => make("li", {className: OURS}, child);
  const links = (file, actions) => (
    make("span", {className: OURS}, ...actions.flatMap((action) => [" · ", entry(file, action, "")]).slice(1))
  );

  function entry(file, action, className) {
    const query = new URLSearchParams({guid: file.guid, place: file.place, mode: action});
    const page = action === "view" || !file.open ? `${base.pathname}open?${query}` : file.open;
    const button = action === "create" || action === "convert";
    const what = JSON.stringify({...file, action});
    const link = make("a", {className, href: button ? "#" : page, [ENTRY]: what, "data-pjax-prevent": "", textContent: words[action]});
    if (file.name) link.setAttribute("aria-label", `${words[action]}: ${file.name}`);
    if (button) link.setAttribute("role", "button");
    return link;
  }

  const meant = (node) => JSON.parse(node.getAttribute(ENTRY));
  const entries = (guid) => [...document.querySelectorAll(`[${ENTRY}]`)].filter((node) => meant(node).guid === guid);
  const previews = (guid) => document.querySelectorAll(`[data-preview-guid="${CSS.escape(guid)}"]`);
  const focus = (guid) => entries(guid).find((node) => node.getClientRects().length)?.focus();

  // A dialog with a form. `send` is called at each submit; what it throws is shown.
  function dialog(title, fields, action, send) {
    const alert = make("p", {className: "text-danger", role: "alert"});
    const submit = make("button", {className: "btn btn-primary", textContent: action});
    const cancel = make("button", {type: "button", className: "btn btn-light", textContent: words.cancel, onclick: () => box.close()});
    const buttons = make("p", {className: `${OURS}-buttons`}, submit, cancel);
    const form = make("form", {}, make("h5", {textContent: title}), ...fields, alert, buttons);
    const box = make("dialog", {className: `${OURS}-dialog`, "aria-label": title, onclose: () => box.remove()}, form);
    form.onsubmit = async (event) => {
      event.preventDefault();
      submit.disabled = true;
      alert.textContent = "";
      await send(box, {submit, cancel}).catch((error) => { alert.textContent = error.message; });
      submit.disabled = false;
    };
    document.body.append(box);
    box.showModal();
  }

  function notice(text, id) {
    const dismiss = make("button", {type: "button", className: "btn-close", "aria-label": words.dismiss});
    const line = make("div", {className: "alert alert-warning"}, make("span", {textContent: text}), dismiss);
    dismiss.onclick = () => {
      line.remove();
      if (id !== undefined) ask("notices", {read: [id]}).catch(() => {});
    };
    notices.append(line);
  }

  const notices = make("div", {className: `${OURS}-notices`, role: "status"});

  // What HumHub's page is told

  const humhub = (name) => window.humhub?.require?.(name);
  const raw = (file) => ({...(file.humhub || file)}); // HumHub's script writes into what it is given.

  const widget = (node) => node && humhub("ui.widget")?.Widget.instance(node);

  // Whatever fails in the page's own script, what was done is done, and we go on.
  function told(tell) {
    try {
      tell();
    } catch (error) {
      console.error(error);
    }
  }

  // A form takes a new file up as if it had been uploaded there: HumHub's own event for that, `humhub:file:created`, would
  // also move it into a folder that the page shows.
  function attached(file, input) {
    told(() => {
      const upload = widget(input);
      upload?.handleFileResponse(raw(file));
      upload?.finish?.();
    });
  }

  // A folder's list comes anew.
  function changed(file, before) {
    if (file.guid !== before) told(() => replace(before, file));
    told(() => humhub("event")?.trigger("humhub:file:modified", [raw(file)]));
    document.dispatchEvent(new CustomEvent("onlyoffice-bridge:changed", {bubbles: true, detail: {file, before}}));
    returning = file.guid;
    setTimeout(() => { returning = null; }, 3000);
    later();
  }

  // Another file has taken the place of one: in forms that will post it, and in lists that show it.
  function replace(guid, file) {
    if (opened.has(guid)) opened.set(file.guid, opened.get(guid).replace(guid, file.guid));
    for (const field of document.querySelectorAll('input[type="hidden"]')) if (field.value === guid) field.value = file.guid;
    for (const old of previews(guid)) {
      // Only HumHub says how it shows a file; without that, the old item stays, with the new guid. A form's own needs none.
      const known = file.humhub || old.querySelector(".file_upload_remove_link");
      if (known) old.replaceWith(added(old, file) || old);
      else old.outerHTML = old.outerHTML.split(guid).join(file.guid);
    }
  }

  // Where a save makes another file, the one at the session's end does so too, seconds after its window has gone.
  async function follow(document, file) {
    for (const wait of [2000, 6000, 12000]) {
      await new Promise((done) => { setTimeout(done, wait); });
      const said = await ask("close", {document}).catch(() => null);
      if (!said || said.file.guid === file.guid) continue;
      told(() => replace(file.guid, said.file));
      file = said.file;
    }
  }

  // Puts a file into the list that another one is in, and gives its item.
  function added(beside, file) {
    const list = beside.closest('[data-ui-widget="file.Preview"]');
    widget(list)?.add?.({mimeIcon: /mime-\w+/.exec(beside.className)?.[0], ...raw(file)});
    return list?.querySelector(`[data-preview-guid="${CSS.escape(file.guid)}"]`);
  }

  // What the entries do

  const ACTIONS = {create, convert, edit: open, view: open, fill: open};

  function create({kind, place, form}, node) {
    const name = make("input", {className: "form-control", name: "name", required: true, maxLength: 200, autocomplete: "off"});
    const title = `${words.createDocument}: ${node.textContent}`;
    dialog(title, [make("label", {textContent: words.name}, name)], words.create, async (box) => {
      const said = await ask("create", {kind, name: name.value.trim(), place});
      const wanted = box.open;
      box.close();
      if (form) opened.set(said.file.guid, said.open);
      if (form) attached(said.file, node.closest(".btn-group").querySelector("[data-ui-widget]"));
      else changed(said.file, said.file.guid);
      if (wanted) open(said.file, {href: said.open});
    });
  }

  function convert(file) {
    const extension = file.name.split(".").pop().toLowerCase();
    const to = make("select", {className: "form-select"}, ...targets[extension].map((name) => make("option", {textContent: name})));
    const choice = (value) => make("input", {type: "radio", name: "place", value, checked: !value, className: "form-check-input"});
    const [beside, instead] = [choice(""), choice("1")];
    const fields = [
      make("label", {textContent: words.to}, to),
      make("label", {}, beside, ` ${words.beside}`),
      make("label", {}, instead, ` ${words.instead}`),
    ];
    dialog(`${words.convert}: ${file.name}`, fields, words.convert, async (box, {submit, cancel}) => {
      const bar = make("progress", {max: 100, "aria-label": words.converting});
      submit.before(bar);
      const wish = {guid: file.guid, place: file.place, to: to.value, instead: instead.checked};
      try {
        let said = await ask("convert", wish);
        while (!said.file && box.isConnected) {
          bar.value = said.percent ?? 0;
          await new Promise((done) => { setTimeout(done, 1000); });
          said = await ask("convert", wish);
        }
        if (!said.file) return;
        if (!wish.instead) for (const old of previews(file.guid)) added(old, said.file);
        changed(said.file, wish.instead ? file.guid : said.file.guid);
        submit.remove();
        cancel.textContent = words.close;
        const result = make("p", {textContent: words.converted.replace("{name}", said.file.name), role: "status"});
        for (const field of fields) field.replaceWith(result);
        cancel.focus();
      } finally {
        bar.remove();
      }
    });
  }

  function open(file, {href}) {
    const url = new URL(href, location.href);
    url.searchParams.set("frame", "1");
    const frame = make("iframe", {src: url.href, title: file.name, allow: "fullscreen; clipboard-read; clipboard-write"});
    const line = make("p", {});
    const button = (textContent, onclick) => make("button", {type: "button", className: "btn btn-light", textContent, onclick});
    const shut = button(words.close, () => close());
    const box = make("dialog", {className: `${OURS}-editor`, "aria-label": file.name}, frame, make("div", {role: "status"}, line, shut));
    const shown = () => {
      try {
        return {url: new URL(frame.contentWindow.location.href), ...frame.contentDocument.body.dataset};
      } catch {
        return {}; // Another site's page, such as a login.
      }
    };
    let closing = false;

    const say = (text, ...buttons) => {
      line.textContent = text;
      line.parentNode.replaceChildren(line, ...buttons);
    };
    const end = () => {
      window.removeEventListener("message", heard);
      box.onclose = null;
      box.close();
      box.remove();
      if (document.activeElement === document.body) focus(file.guid);
    };
    const close = async () => {
      const {document: capability, url} = shown();
      if (!capability || url.searchParams.get("mode") === "view") return end();
      if (closing) return undefined;
      closing = true;
      say(words.saving);
      try {
        const said = await ask("close", {document: capability});
        end();
        changed(said.file, said.before);
        if (said.notice) notice(said.notice);
        if (said.file.guid !== said.before) follow(capability, said.file);
      } catch (error) {
        closing = false;
        say(words.unsaved.replace("{reason}", error.message), button(words.again, close), button(words.close, end));
      }
      return undefined;
    };
    const heard = (event) => {
      if (event.source === frame.contentWindow && event.origin === location.origin && event.data?.onlyofficeBridge === "close") close();
    };

    // Our pages have a button of their own; where another one comes, or none, this one is there.
    frame.onload = () => { if (!closing) say("", ...(shown().framed ? [] : [shut])); };
    // Escape closes no editor unsaved, however often it is pressed: the editor is asked, which sends what was typed last.
    const escape = () => {
      if (!shown().framed) return close();
      frame.contentWindow.postMessage({onlyofficeBridge: "requestClose"}, location.origin);
      return setTimeout(() => { if (box.isConnected && !closing) close(); }, 3000);
    };
    box.onkeydown = (event) => { if (event.key === "Escape") { event.preventDefault(); escape(); } };
    box.oncancel = (event) => event.preventDefault();
    box.onclose = () => { box.showModal(); escape(); };
    window.addEventListener("message", heard);
    document.body.append(box);
    box.showModal();
    frame.focus();
  }

  // Before HumHub hears it: its menus would take a click on an entry for one of their own.
  function clicked(event) {
    const node = event.target.closest?.(`[${ENTRY}]`);
    for (const menu of document.querySelectorAll(`details.${OURS}`)) if (node || !menu.contains(event.target)) menu.open = false;
    if (!node) return;
    const {action, ...file} = meant(node);
    const page = node.getAttribute("href") !== "#";
    event.stopPropagation();
    if (page && (event.button || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey)) return;
    event.preventDefault();
    node.closest(".modal")?.querySelector("[data-modal-close], [data-bs-dismiss]")?.click();
    document.body.click(); // Closes HumHub's menus.
    ACTIONS[action](file, node);
  }

  // Start

  const later = () => { if (!scanning) scanning = setTimeout(scan, 50); };
  const watcher = new MutationObserver((changes) => {
    for (const {addedNodes} of changes) for (const node of addedNodes) if (node.nodeType === Node.ELEMENT_NODE) fresh.add(node);
    if (fresh.size) later();
  });

  async function start() {
    const said = await ask(`menu.json?lang=${encodeURIComponent(document.documentElement.lang)}`);
    ({words, kinds, targets} = said);
    formats = new Map(Object.entries(said.formats));
    document.head.append(make("link", {rel: "stylesheet", href: new URL("menu.css", base).href}));
    document.body.append(notices);
    window.addEventListener("click", clicked, true);
    window.addEventListener("keydown", (event) => {
      if (event.key !== " " || !event.target.matches?.(`[${ENTRY}][role=button]`)) return;
      event.preventDefault();
      event.target.click();
    });
    watcher.observe(document.body, {childList: true, subtree: true});
    fresh.add(document.body);
    scan();
    if (window.humhub?.config?.get?.("user")?.isGuest) return;
    for (const {id, text} of (await ask("notices")).notices) notice(text, id);
  }

  const begin = () => start().catch((error) => console.warn("onlyoffice-bridge:", error.message));
  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", begin);
  else begin();
})();
