// The editor's frame: shows a document, sends what is typed, shows what others type.
//
// What was typed waits in `pending` until the server has acknowledged it. After a broken connection the session is
// resumed: the server says what happened meanwhile, and what isn't acknowledged is sent again under its old id.

import { Pending, difference, moved } from './changes.js';
import { Wire } from './wire.js';

const params = new URLSearchParams(window.location.search);
const frameId = params.get('frameEditorId');
const root = new URL('../../../../', window.location.href);
const $ = (id) => document.getElementById(id);
const COLOURS = ['#5b8def', '#e07a5f', '#3d9970', '#b07cc6', '#d6a13b', '#4fa3b5'];
const ERRORS = {
  '-4': 'The document could not be downloaded.', '-10': 'The document is too big.', '-82': 'The document is damaged.',
};

const doc = {
  config: null, wanted: [], wire: null, pending: new Pending(Math.random().toString(36).slice(2, 12)),
  session: null, sessionId: null, epoch: null, rev: 0, content: null, view: true, texts: new Map(), early: [],
  modified: false, sheet: 0, ready: false, loading: false,
};

// -- the host page

function tell(event, data) {
  window.parent.postMessage(JSON.stringify({ frameEditorId: frameId, event, data }), params.get('parentOrigin') || '*');
}

window.addEventListener('message', (event) => {
  if (event.source !== window.parent) return;
  let message;
  try { message = JSON.parse(event.data); } catch (_error) { return; }
  if (!message || message.frameEditorId !== frameId) return;
  const { command, data } = message;
  if (command === 'init') start(data.config, data.wanted || []);
  if (command === 'requestClose') tell('onRequestClose');
  if (command === 'showMessage') notice(data.text);
  if (command === 'downloadAs') saveAs('onDownloadAs', data.format);
});

// -- opening

function start(config, wanted) {
  doc.config = config;
  doc.wanted = wanted;
  const { document: file = {}, editorConfig = {} } = config;
  const rights = file.permissions || {};
  const fills = file.fileType === 'pdf' && rights.fillForms;
  doc.view = editorConfig.mode === 'view' || (rights.edit === false && !fills);
  doc.kind = (window.location.pathname.match(/apps\/(\w+?)editor\//) || [])[1] || 'document';
  document.body.dataset.kind = { spreadsheet: 'cell', presentation: 'slide', pdf: 'pdf' }[doc.kind] || 'word';
  document.body.dataset.look = config.type || 'desktop';
  document.title = file.title || 'Document';
  $('title').textContent = file.title || 'Document';
  $('badge').textContent = (file.fileType || '').toUpperCase();
  $('close').hidden = !wanted.includes('onRequestClose');
  for (const name of ['save', 'share']) {
    const url = config.type === 'embedded' ? (editorConfig.embedded || {})[`${name}Url`] : null;
    $(`embedded-${name}`).hidden = !url;
    if (url) $(`embedded-${name}`).href = url;
  }
  show();
  waiting('Opening…');
  if (file.fileType === 'pdf') fetchOriginal(file);
  connect(file, editorConfig);
}

function connect(file, editorConfig) {
  const url = new URL(`doc/${encodeURIComponent(file.key)}/c/`, root);
  url.searchParams.set('shardkey', params.get('shardkey') || file.key);
  const first = authMessage(file, editorConfig);
  doc.wire = new Wire(url.href, () => ({ data: first, token: doc.config.token, session: doc.session }));
  doc.wire.addEventListener('state', ({ detail }) => state(detail === 'closed' ? 'offline' : 'connecting', detail));
  doc.wire.addEventListener('connect', () => doc.wire.send(authMessage(file, editorConfig)));
  doc.wire.addEventListener('message', ({ detail }) => receive(detail));
  doc.wire.addEventListener('refused', ({ detail }) => refused((detail.data || {}).code, detail.message));
  doc.wire.open();
}

function authMessage(file, editorConfig) {
  const user = editorConfig.user || {};
  const message = {
    type: 'auth', docid: file.key, documentCallbackUrl: editorConfig.callbackUrl, token: 'fghhfgsjdgfjs',
    user: { id: user.id, username: user.name, firstname: null, lastname: null, indexUser: -1 },
    editorType: { word: 0, cell: 1, slide: 2 }[document.body.dataset.kind] || 0, lastOtherSaveTime: -1,
    block: [], sessionId: doc.sessionId, view: doc.view, permissions: file.permissions || {}, mode: editorConfig.mode,
    lang: editorConfig.lang, IsAnonymousUser: false, coEditingMode: 'fast', jwtSession: doc.session || undefined,
  };
  if (doc.epoch) return { ...message, epoch: doc.epoch, rev: doc.rev };
  const openCmd = {
    c: 'open', id: file.key, userid: user.id, format: file.fileType, url: file.url, title: file.title, lcid: 9,
    nobase64: true, convertToOrigin: '.pdf.xps.oxps.djvu',
  };
  return { ...message, openCmd, jwtOpen: doc.config.token };
}

async function fetchOriginal(file) {
  const headers = { Authorization: `Bearer ${doc.config.token}`, 'x-url': file.url };
  const url = new URL(`downloadfile/${encodeURIComponent(file.key)}`, root);
  url.searchParams.set('shardkey', params.get('shardkey') || file.key);
  const answer = await fetch(url, { headers });
  if (!answer.ok) { fail(-4); return; }
  const size = (await answer.arrayBuffer()).byteLength;
  doc.size = size;
  const facts = document.querySelector('.facts');
  if (facts) facts.textContent = `${size.toLocaleString('en')} bytes`;
}

// -- what the server says

const HANDLERS = {
  auth(message) {
    doc.session = message.jwt;
    doc.sessionId = message.sessionId;
    doc.user = message.indexUser;
    people(message.participants);
  },
  connectState(message) { people(message.participants); },
  documentOpen(message) {
    const { status, data } = message.data;
    if (status === 'ok') {
      doc.early = [];
      doc.loading = true;
      load(data['Editor.bin']);
    }
    if (status === 'updateversion') outdated();
    if (status === 'err') fail(data);
  },
  authChanges(message) { take(message.changes, true); },
  saveChanges(message) { take(message.changes, false); },
  unSaveLock(message) { take([message.change], false); },
  changeRefused(message) {
    doc.pending.settle(message.id);
    notice('A change was not accepted. Reload the document.', 'error');
    push();
  },
  forceSaveStart(message) { if (message.messages.code !== 0) { notice('Nothing new to save.'); $('save').disabled = false; } },
  forceSave(message) {
    $('save').disabled = false;
    notice(message.messages.success ? 'Saved.' : 'Saving failed; the document stays open.', message.messages.success ? 'good' : 'error');
  },
  refreshToken(message) { doc.session = message.messages.token; },
  warning(message) {
    const text = message.code === -201 ? 'The last save did not reach the storage: this is the copy that was kept.' : 'The storage reported a problem.';
    notice(text);
    tell('onWarning', { warningCode: message.code, warningDescription: message.message });
  },
  drop(message) { refused(message.code, message.description); },
};

function receive(message) {
  const handler = HANDLERS[message.type];
  if (handler) handler(message);
}

async function load(url) {
  const answer = await fetch(url);
  if (!answer.ok) { fail(-4); return; }
  const content = await answer.json();
  if (doc.epoch && doc.epoch !== content.epoch && !doc.pending.empty) {
    notice('The document was opened anew; what was typed last may be missing.', 'error');
    doc.pending = new Pending(doc.pending.client + doc.pending.count);
  }
  Object.assign(doc, { content, epoch: content.epoch, rev: 0, texts: new Map(), order: [] });
  content.blocks.forEach((block) => { doc.texts.set(block.id, block.text); doc.order.push(block.id); });
  doc.loading = false;
  draw();
  if (!doc.ready) {
    doc.ready = true;
    tell('onAppReady');
    tell('onDocumentReady');
  }
  show();
  take(doc.early.splice(0), true);
}

// Changes come in the server's order; while the content is being fetched they wait.
function take(list, resumed) {
  if (doc.loading || !doc.content) { doc.early.push(...list); return; }
  list.forEach((change) => apply(change));
  if (resumed) doc.pending.flying = false;
  push();
  state('online');
}

function apply(change) {
  if (change.index < doc.rev) return; // known already
  doc.rev = change.index + 1;
  if (doc.pending.settle(change.id)) {
    if (change.do === 'add') place(change);
    if (change.do === 'drop') remove(change.block);
    modified(!doc.pending.empty);
    return;
  }
  const met = doc.pending.meet(change);
  if (met.do === 'splice') splice(met);
  if (met.do === 'add') { doc.texts.set(met.block, met.text); place(met); }
  if (met.do === 'drop' && !doc.pending.touches(met.block)) remove(met.block);
}

function push() {
  if (!doc.epoch || doc.pending.empty || doc.pending.flying || !doc.wire.connected || !doc.content) return;
  const { sent: _sent, ...change } = doc.pending.queue[0];
  doc.pending.flying = doc.wire.send({ type: 'saveChanges', base: doc.rev, change });
  if (doc.pending.flying) doc.pending.queue[0].sent = true;
}

// -- the document's blocks on the screen

const element = (block) => document.querySelector(`.block[data-block="${CSS.escape(block)}"]`);

function splice(op) {
  const before = doc.texts.get(op.block) || '';
  doc.texts.set(op.block, before.slice(0, op.at) + op.text + before.slice(op.at + op.length));
  write(op.block, op);
}

function write(block, op) {
  const target = element(block);
  if (!target) return;
  const focused = document.activeElement === target;
  const caret = focused ? caretIn(target) : 0;
  target.textContent = doc.texts.get(block);
  if (focused) setCaret(target, op ? moved(caret, op) : caret);
}

function place(change) {
  doc.order = doc.order.filter((id) => id !== change.block);
  doc.order.splice(change.after ? doc.order.indexOf(change.after) + 1 : 0, 0, change.block);
  const page = document.querySelector('.page');
  if (!page) return;
  const existing = element(change.block);
  const focused = existing && document.activeElement === existing;
  const caret = focused ? caretIn(existing) : 0;
  const target = existing || paragraph(change.block, (element(change.after) || {}).dataset?.look || '');
  const previous = change.after ? element(change.after) : null;
  if (previous) previous.after(target); else page.prepend(target);
  if (focused) { target.focus(); setCaret(target, caret); }
}

function remove(block) {
  const target = element(block);
  if (target) {
    const previous = target.previousElementSibling;
    const focused = document.activeElement === target;
    target.remove();
    if (focused && previous) { previous.focus(); setCaret(previous, previous.textContent.length); }
  }
  doc.order = doc.order.filter((id) => id !== block);
  doc.texts.delete(block);
}

function draw() {
  const { kind } = doc.content;
  const area = $('area');
  $('tabs').hidden = true;
  if (kind === 'word') {
    const page = tag('div', 'page');
    const looks = new Map(doc.content.blocks.map((block) => [block.id, block.look]));
    doc.order.forEach((id) => page.append(paragraph(id, looks.get(id) || '')));
    area.replaceChildren(page);
  } else if (kind === 'cell') drawSheet();
  else if (kind === 'slide') {
    area.replaceChildren(...doc.content.parts.map((part, at) => {
      const slide = tag('section', 'slide');
      slide.append(tag('span', 'number', `${at + 1}`));
      const looks = new Map(doc.content.blocks.map((block) => [block.id, block.look]));
      part.blocks.forEach((id) => slide.append(paragraph(id, looks.get(id) || '')));
      return slide;
    }));
  } else {
    const page = tag('div', 'page');
    if (doc.config.document.fileType === 'pdf') page.append(tag('div', 'facts', doc.size ? `${doc.size.toLocaleString('en')} bytes` : ''));
    page.append(tag('pre', 'text', doc.content.extra.text || ''));
    area.replaceChildren(page);
  }
}

function drawSheet() {
  const part = doc.content.parts[doc.sheet];
  const table = tag('table', 'grid');
  const head = table.createTHead().insertRow();
  head.append(tag('th', ''));
  part.columns.forEach((column) => head.append(tag('th', '', column)));
  const body = table.createTBody();
  for (let number = 1; number <= part.rows; number += 1) {
    const row = body.insertRow();
    row.append(tag('th', 'row', `${number}`));
    part.columns.forEach((column) => row.insertCell().append(paragraph(`${doc.sheet}!${column}${number}`, '')));
  }
  $('area').replaceChildren(table);
  $('tabs').hidden = false;
  $('tabs').replaceChildren(...doc.content.parts.map((one, at) => {
    const tab = tag('button', '', one.name);
    tab.type = 'button';
    tab.setAttribute('aria-selected', at === doc.sheet);
    tab.onclick = () => { doc.sheet = at; drawSheet(); };
    return tab;
  }));
}

function paragraph(id, look) {
  const target = tag('div', 'block', doc.texts.get(id) || '');
  target.dataset.block = id;
  if (look) target.dataset.look = look;
  if (!readOnly()) {
    target.contentEditable = 'plaintext-only';
    target.spellcheck = false;
    target.addEventListener('input', () => typed(id, target));
    target.addEventListener('keydown', (event) => keyed(event, id, target));
  }
  return target;
}

function tag(name, className, text) {
  const made = document.createElement(name);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}

// -- typing

function typed(id, target) {
  const before = doc.texts.get(id) || '';
  const after = target.textContent;
  if (before === after) return;
  doc.texts.set(id, after);
  change({ do: 'splice', block: id, ...difference(before, after) });
}

function keyed(event, id, target) {
  const { kind } = doc.content;
  if (event.key === 's' && (event.ctrlKey || event.metaKey)) { event.preventDefault(); forceSave(); return; }
  if (event.isComposing) return;
  if (event.key === 'Enter') {
    event.preventDefault();
    if (kind === 'word') divide(id, target);
    else if (kind === 'cell') below(target);
  } else if (event.key === 'Backspace' && kind === 'word' && target.textContent === '' && doc.order.length > 1) {
    event.preventDefault();
    change({ do: 'drop', block: id });
  }
}

function divide(id, target) {
  const at = caretIn(target);
  const text = doc.texts.get(id) || '';
  const block = `${doc.pending.client}.${doc.pending.count + 1}`;
  const tail = text.slice(at);
  if (tail) {
    doc.texts.set(id, text.slice(0, at));
    target.textContent = text.slice(0, at);
    change({ do: 'splice', block: id, at, length: tail.length, text: '' });
  }
  doc.texts.set(block, tail);
  place({ block, after: id });
  change({ do: 'add', block, after: id, text: tail });
  const made = element(block);
  made.focus();
  setCaret(made, 0);
}

function below(target) {
  const cell = target.closest('td');
  const next = cell.parentElement.nextElementSibling;
  if (next) next.cells[cell.cellIndex].querySelector('.block').focus();
}

function change(op) {
  doc.pending.add(op);
  modified(true);
  push();
}

function caretIn(target) {
  const selection = window.getSelection();
  if (!selection.rangeCount) return 0;
  const range = selection.getRangeAt(0).cloneRange();
  range.setStart(target, 0);
  return range.toString().length;
}

function setCaret(target, at) {
  const selection = window.getSelection();
  const range = document.createRange();
  const text = target.firstChild;
  if (text) range.setStart(text, Math.min(at, text.length)); else range.setStart(target, 0);
  range.collapse(true);
  selection.removeAllRanges();
  selection.addRange(range);
}

// -- the bar

function readOnly() { return doc.view || !doc.content || doc.content.kind === 'text'; }

function show() {
  const mode = !doc.content && !doc.view ? 'loading' : readOnly() ? 'view' : 'edit';
  document.body.dataset.mode = mode;
  $('readonly').hidden = mode !== 'view';
  $('save').hidden = mode !== 'edit';
  $('download').hidden = !doc.ready || (!doc.wanted.includes('onRequestSaveAs') && mode !== 'edit');
}

function state(name, detail) {
  const texts = { online: 'All changes saved', connecting: detail === 'reconnecting' ? 'Reconnecting…' : 'Connecting…', offline: 'Offline' };
  const busy = name === 'online' && !doc.pending.empty;
  $('state').dataset.state = name;
  $('state').textContent = busy ? 'Saving…' : doc.view && name === 'online' ? 'Online' : texts[name];
}

function modified(value) {
  if (doc.modified !== value) tell('onDocumentStateChange', value);
  doc.modified = value;
  if ($('state').dataset.state === 'online') state('online');
}

function people(list) {
  $('people').replaceChildren(...list.map((one) => {
    const initials = one.username.split(/\s+/).map((word) => word[0] || '').join('').slice(0, 2).toUpperCase();
    const item = tag('li', '', initials);
    item.title = one.view ? `${one.username} (viewing)` : one.username;
    item.dataset.user = one.idOriginal;
    item.style.background = COLOURS[(one.indexUser - 1) % COLOURS.length];
    return item;
  }));
}

function notice(text, level = '') {
  $('notice').textContent = text;
  $('notice').dataset.level = level;
  $('notice').hidden = false;
  clearTimeout(notice.timer);
  if (level !== 'error') notice.timer = setTimeout(() => { $('notice').hidden = true; }, 6000);
}

function waiting(text) { $('area').replaceChildren(tag('div', 'wait', text)); }

function outdated() {
  doc.wire.close();
  if (!doc.content) waiting('This version has been saved. Open the document again for the newest one.');
  notice('The document has been saved under a new version. Reload it to go on.', 'error');
  tell(doc.wanted.includes('onRequestRefreshFile') ? 'onRequestRefreshFile' : 'onOutdatedVersion');
}

function fail(code) {
  const text = ERRORS[code] || `The document can't be opened (${code}).`;
  if (!doc.content) waiting(text);
  notice(text, 'error');
  tell('onError', { errorCode: code, errorDescription: text });
}

function refused(code, text) {
  doc.wire.close();
  state('offline');
  const words = code === 4005 ? 'The link to this document has expired. Open it again.' : `The document can't be opened: ${text || 'not authorized'}.`;
  if (!doc.content) waiting(words);
  notice(words, 'error');
  tell('onError', { errorCode: code, errorDescription: words });
}

// -- saving

function forceSave() {
  if (readOnly()) return;
  $('save').disabled = true;
  const ask = () => (doc.pending.empty ? doc.wire.send({ type: 'forceSaveStart' }) || ask.later() : ask.later());
  ask.later = () => setTimeout(ask, 50);
  ask();
}

async function saveAs(event, format) {
  const { document: file } = doc.config;
  const cmd = {
    c: 'save', id: file.key, userid: '', tokenSession: doc.session, outputformat: format || file.fileType, title: file.title,
  };
  const url = new URL(`downloadas/${encodeURIComponent(file.key)}`, root);
  url.searchParams.set('shardkey', params.get('shardkey') || file.key);
  url.searchParams.set('cmd', JSON.stringify(cmd));
  const answer = await fetch(url, { method: 'POST' });
  const result = answer.ok ? await answer.json() : { status: 'err' };
  if (result.status !== 'ok') { notice('Saving under another name failed.', 'error'); return; }
  if (doc.wanted.includes(event)) tell(event, { fileType: result.filetype, title: file.title, url: result.data });
  else window.open(result.data, '_blank');
}

$('save').onclick = forceSave;
$('download').onclick = () => saveAs('onRequestSaveAs');
$('close').onclick = () => tell('onRequestClose');
window.addEventListener('pagehide', () => doc.wire && doc.wire.close());
// For tests: whether everything that was typed has been acknowledged.
window.smallDocs = { settled: () => Boolean(doc.content) && doc.pending.empty, rev: () => doc.rev };
tell('onReady');
