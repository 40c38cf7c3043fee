// The pages' script: AJAX the way HumHub does it, modals, uploads, posts and the text of stored files.
(() => {
  'use strict';

  const config = {};
  const widgets = {};
  const actions = {};

  // AJAX

  const csrf = () => document.querySelector('meta[name="csrf-token"]').content;

  async function ajax(url, options = {}) {
    const headers = {'X-Requested-With': 'XMLHttpRequest', 'X-CSRF-Token': csrf(), ...options.headers};
    const answer = await fetch(url, {credentials: 'same-origin', ...options, headers}).catch(() => {
      throw new Error('The server cannot be reached. Please try again in a moment.');
    });
    const target = answer.headers.get('X-Redirect');
    if (target) {
      location.href = target;
      return new Promise(() => {});
    }
    if (!answer.ok) throw new Error(await reason(answer));
    return answer;
  }

  async function reason(answer) {
    const text = await answer.text();
    try {
      return JSON.parse(text).message || answer.statusText;
    } catch {
      return `${answer.status} ${answer.statusText}`;
    }
  }

  const post = async (url, data) => (await ajax(url, {method: 'POST', body: new URLSearchParams(data)})).json();

  // Fragments: their scripts run in order, those with a source before those that come after them.

  async function inject(node, markup) {
    const holder = document.createElement('template');
    holder.innerHTML = markup;
    const scripts = [...holder.content.querySelectorAll('script')];
    scripts.forEach((script) => script.remove());
    node.replaceChildren(holder.content);
    const failed = [];
    for (const script of scripts) {
      if (!await run(script)) failed.push(script.src);
    }
    start(node, failed);
  }

  function run(old) {
    const script = document.createElement('script');
    for (const {name, value} of old.attributes) script.setAttribute(name, value);
    script.nonce = old.nonce || old.getAttribute('nonce') || '';
    script.textContent = old.textContent;
    script.async = false;
    return new Promise((done) => {
      script.onload = () => done(true);
      script.onerror = () => done(false);
      document.head.append(script);
      if (!script.src) done(true);
    });
  }

  function start(node, failed = []) {
    for (const place of node.querySelectorAll('[data-ui-widget][data-ui-init]')) {
      const make = widgets[place.dataset.uiWidget];
      if (make && !place.humhubWidget) place.humhubWidget = make(place, failed) || {};
    }
  }

  // Modals

  const modals = {};

  class Modal {
    constructor(id) {
      this.node = document.createElement('div');
      this.node.className = 'modal';
      this.node.id = id;
      this.node.hidden = true;
      document.getElementById('modals').append(this.node);
    }

    async load(url) {
      delete window.DocsAPI;
      this.show();
      this.node.innerHTML = '<div class="modal-dialog loading" role="status"><div class="modal-content">Loading …</div></div>';
      try {
        await inject(this.node, await (await ajax(url)).text());
      } catch (error) {
        this.fail(error.message);
      }
    }

    async fill(markup) {
      this.show();
      await inject(this.node, markup);
    }

    fail(message) {
      this.node.innerHTML = '<div class="modal-dialog"><div class="modal-content"><div class="modal-body"><p class="error" role="alert"></p>'
        + '</div><div class="modal-footer"><button class="btn btn-light" data-modal-close="">Close</button></div></div></div>';
      this.node.querySelector('.error').textContent = message || 'The server cannot be reached.';
    }

    show() {
      this.node.hidden = false;
      document.body.classList.add('modal-open');
    }

    close() {
      this.node.hidden = true;
      this.node.replaceChildren();
      if (!document.querySelector('.modal:not([hidden])')) document.body.classList.remove('modal-open');
    }
  }

  const modal = {
    get: (id) => modals[id] ||= new Modal(id),
    of: (node) => modals[node.closest('.modal')?.id],
  };

  function notice(message, kind = 'danger') {
    const node = document.createElement('div');
    node.className = `alert alert-${kind}`;
    node.textContent = message;
    document.getElementById('notices').append(node);
    setTimeout(() => node.remove(), 8000);
  }

  // Files

  const pending = () => document.getElementById('pending-files');

  function onFileCreated(file) {
    if (!pending()) return;
    const line = document.createElement('li');
    line.className = 'file-preview-item';
    line.dataset.previewGuid = file.guid;
    line.innerHTML = '<span class="file-icon" aria-hidden="true"></span><span class="file-name"></span>'
      + '<input type="hidden" name="fileList[]">';
    line.querySelector('.file-icon').textContent = file.name.split('.').pop().slice(0, 4);
    line.querySelector('.file-name').innerHTML = `${file.openLink} <small>${file.size_format}</small>`;
    line.querySelector('input').value = file.guid;
    pending().append(line);
  }

  function upload(input) {
    const bar = document.getElementById('upload-progress');
    const data = new FormData();
    for (const file of input.files) data.append('files[]', file);
    const request = new XMLHttpRequest();
    request.open('POST', input.form.dataset.uploadUrl);
    request.setRequestHeader('X-Requested-With', 'XMLHttpRequest');
    request.setRequestHeader('X-CSRF-Token', csrf());
    request.upload.onprogress = (event) => { bar.value = 100 * event.loaded / event.total; };
    request.onloadend = () => {
      bar.hidden = true;
      input.value = '';
      let files = [];
      try { files = JSON.parse(request.responseText).files; } catch { notice('The upload failed.'); }
      for (const file of files) file.error ? notice(file.errors.join(' ')) : onFileCreated(file);
    };
    bar.hidden = false;
    bar.value = 0;
    request.send(data);
  }

  // The text of stored files: looked at again after an editor was closed, until a while after Docs may have saved.

  const WATCH = 60000;
  const watched = new Map();

  function watch(guid) {
    watched.set(guid, Date.now() + WATCH);
  }

  async function look() {
    for (const [guid, until] of watched) {
      if (Date.now() > until) watched.delete(guid);
      await refresh(guid).catch(() => {});
    }
    setTimeout(look, 1000);
  }

  async function refresh(guid) {
    for (const node of document.querySelectorAll(`[data-preview-guid="${guid}"] .file-text`)) {
      const found = await (await ajax(node.dataset.previewUrl)).json();
      if (String(found.version) === node.dataset.version) continue;
      node.textContent = found.text;
      node.dataset.version = found.version;
      node.classList.add('fresh');
      setTimeout(() => node.classList.remove('fresh'), 3000);
    }
  }

  function onFileModified(file) {
    watch(file.guid);
    for (const node of document.querySelectorAll(`[data-preview-guid="${file.guid}"] .file-name`)) {
      const shown = node.querySelector('a');
      if (shown && shown.textContent !== file.name) location.reload();
    }
  }

  // Actions: data-action-click names one; a widget's own come before the page's.

  Object.assign(actions, {
    'ui.modal.load': (node) => {
      const here = modal.of(node);
      if (here && here.node.id !== node.dataset.modalId) here.close();
      return modal.get(node.dataset.modalId || 'globalModal').load(node.dataset.actionUrl.trim());
    },
    'dropdown': (node) => {
      const open = node.parentNode.classList.toggle('open');
      node.setAttribute('aria-expanded', String(open));
    },
    'post.submit': async (node) => {
      const form = node.form;
      const answer = await (await ajax(form.action, {method: 'POST', body: new URLSearchParams(new FormData(form))})).json();
      const holder = document.createElement('div');
      await inject(holder, answer.output);
      document.getElementById('stream').prepend(...holder.childNodes);
      document.querySelector('.empty')?.remove();
      form.reset();
      pending().replaceChildren();
    },
  });

  // A button may lie outside of its widget and name it.
  function widgetOf(node) {
    const place = node.closest('[data-ui-widget]');
    if (!place || place.humhubWidget) return place?.humhubWidget;
    return node.closest('.modal')?.querySelector(`[data-ui-widget="${place.dataset.uiWidget}"][data-ui-init]`)?.humhubWidget;
  }

  async function act(node, event) {
    const name = node.dataset.actionClick;
    const own = widgetOf(node);
    const action = own?.[name] || actions[name];
    if (!action) return;
    event.preventDefault();
    try {
      await action(node);
    } catch (error) {
      notice(error.message);
    }
  }

  document.addEventListener('click', (event) => {
    const target = event.target.closest('[data-action-click]');
    for (const open of document.querySelectorAll('.dropdown.open')) {
      if (!open.contains(event.target) || event.target.closest('.dropdown-item')) open.classList.remove('open');
    }
    if (target && target.type !== 'file') act(target, event);
    const closer = event.target.closest('[data-bs-dismiss="modal"], button[data-modal-close]');
    if (closer && !closer.dataset.actionClick) modal.of(closer)?.close();
    const opener = event.target.closest('a[data-bs-target="#globalModal"]');
    if (opener) {
      event.preventDefault();
      modal.get('globalModal').load(opener.href);
    }
  });

  document.addEventListener('change', (event) => {
    if (event.target.id === 'post-upload') upload(event.target);
  });

  const loaded = new Promise((done) => { document.addEventListener('DOMContentLoaded', done); });
  const ready = (callback) => loaded.then(callback);

  ready(() => {
    start(document);
    look();
    window.addEventListener('focus', () => {
      for (const node of document.querySelectorAll('#stream [data-preview-guid]')) refresh(node.dataset.previewGuid).catch(() => {});
    });
  });

  window.humhub = {
    config: {set: (values) => Object.assign(config, values), values: config},
    client: {ajax, post}, modal, notice, widgets, actions, inject, ready, watch,
    events: {fileCreated: onFileCreated, fileModified: onFileModified},
  };
})();
