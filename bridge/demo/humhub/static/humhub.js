// The pages' script: configuration, events, AJAX the way HumHub does it, modals, actions and page changes.
// Other scripts reach it as they reach HumHub's own: humhub.config, humhub.event, humhub.require('client').
(() => {
  'use strict';

  const config = {
    set: (values) => Object.assign(config, values),
    get: (module, key) => (key === undefined ? config[module] : config[module]?.[key]),
  };
  const widgets = {};
  const actions = {};
  const modules = {config};

  // Events: `name.space` is heard by `name` too; an error in one listener keeps the others from hearing, as with jQuery.

  const listeners = [];
  const part = (name) => name.split('.', 2);

  const event = modules.event = {
    on: (name, callback) => {
      const [heard, space] = part(name);
      listeners.push({name: heard, space, callback});
    },
    off: (name) => {
      const [heard, space] = part(name);
      const kept = listeners.filter((one) => one.name !== heard || (space && one.space !== space));
      listeners.splice(0, listeners.length, ...kept);
    },
    trigger: (name, values) => {
      const [heard, space] = part(name);
      const told = listeners.filter((one) => one.name === heard && (!space || one.space === space));
      for (const one of told) one.callback({type: heard}, ...(values || []));
    },
  };

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
    for (const place of node.querySelectorAll('[data-ui-widget][data-ui-init]')) instance(place, failed);
  }

  // A widget of a place, made where there is none yet.
  function instance(where, failed = []) {
    const place = typeof where === 'string' ? document.querySelector(where) : where;
    const make = widgets[place?.dataset.uiWidget];
    if (make && !place.humhubWidget) place.humhubWidget = make(place, failed) || {};
    return place?.humhubWidget;
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

  // Actions: data-action-click names one; a widget's own come before the page's. What was clicked last for a process
  // is remembered, so that a file that comes of it finds its form.

  const processes = {};

  Object.assign(actions, {
    'ui.modal.load': (node) => {
      const here = modal.of(node);
      const wanted = node.dataset.modalId || 'globalModal';
      if (here && here.node.id !== wanted) here.close();
      return modal.get(wanted).load((node.dataset.actionUrl || node.dataset.actionClickUrl).trim());
    },
    'ui.modal.submit': async (node) => {
      const answer = await ajax(node.dataset.actionClickUrl, {method: 'POST', body: new URLSearchParams(new FormData(node.form))});
      await modal.of(node).fill(await answer.text());
    },
  });

  // A button may lie outside of its widget and name it.
  function widgetOf(node) {
    const place = node.closest('[data-ui-widget]');
    if (!place || place.humhubWidget) return place?.humhubWidget;
    return node.closest('.modal')?.querySelector(`[data-ui-widget="${place.dataset.uiWidget}"][data-ui-init]`)?.humhubWidget;
  }

  async function act(node, happened) {
    const name = node.dataset.actionClick;
    if (node.dataset.actionProcess) processes[node.dataset.actionProcess] = node;
    const own = widgetOf(node);
    const action = own?.[name] || actions[name];
    if (!action) return;
    happened.preventDefault();
    try {
      await action(node);
    } catch (error) {
      notice(error.message);
    }
  }

  function toggleMenu(toggler) {
    const menu = toggler.parentNode.querySelector(':scope > .dropdown-menu');
    if (!menu) return;
    const open = menu.classList.toggle('show');
    toggler.setAttribute('aria-expanded', String(open));
  }

  function closeMenus(except, clicked) {
    for (const menu of document.querySelectorAll('.dropdown-menu.show')) {
      const here = menu.contains(clicked) && !clicked.closest('.dropdown-item');
      if (menu !== except && !here) menu.classList.remove('show');
    }
  }

  document.addEventListener('click', (happened) => {
    const target = happened.target.closest('[data-action-click]');
    const toggler = happened.target.closest('[data-bs-toggle="dropdown"]');
    closeMenus(toggler?.parentNode.querySelector(':scope > .dropdown-menu'), happened.target);
    if (toggler) {
      happened.preventDefault();
      toggleMenu(toggler);
    }
    if (target) act(target, happened);
    const closer = happened.target.closest('[data-bs-dismiss="modal"], button[data-modal-close]');
    if (closer && !closer.dataset.actionClick) modal.of(closer)?.close();
    const opener = happened.target.closest('a[data-bs-target="#globalModal"]');
    if (opener) {
      happened.preventDefault();
      modal.get('globalModal').load(opener.href);
    }
    const poster = happened.target.closest('a[data-method="POST"]');
    if (poster) {
      happened.preventDefault();
      sendForm(poster.href);
    }
  });

  function sendForm(url) {
    const form = document.createElement('form');
    form.method = 'post';
    form.action = url;
    form.innerHTML = '<input type="hidden" name="_csrf">';
    form.firstChild.value = csrf();
    document.body.append(form);
    form.submit();
  }

  // Page changes within the page (pjax): a link's page replaces the content, and all around it stays.

  const PJAX = 'a[href]:not([data-pjax-prevent],[target],[data-bs-target],[data-bs-toggle],[data-method],[data-action-click],[data-action])';

  async function change(url, {push = true} = {}) {
    const headers = {'X-PJAX': 'true', 'X-PJAX-Container': '#layout-content', 'X-Requested-With': 'XMLHttpRequest'};
    const answer = await fetch(url, {credentials: 'same-origin', headers}).catch(() => null);
    if (!answer?.ok || answer.headers.get('X-Redirect')) {
      location.href = answer?.headers.get('X-Redirect') || url;
      return;
    }
    if (push) history.pushState({}, '', url);
    const content = document.getElementById('layout-content');
    await inject(content, await answer.text());
    const title = content.querySelector('title');
    if (title) document.title = title.textContent;
    title?.remove();
    window.scrollTo(0, 0);
    event.trigger('humhub:modules:client:pjax:success', [{}]);
  }

  document.addEventListener('click', (happened) => {
    const link = happened.target.closest(PJAX);
    const other = happened.defaultPrevented || happened.button || happened.metaKey || happened.ctrlKey || happened.shiftKey;
    if (!link || other || link.origin !== location.origin || link.getAttribute('href').startsWith('#')) return;
    happened.preventDefault();
    change(link.href);
  });
  window.addEventListener('popstate', () => change(location.href, {push: false}));

  // A script that the policy refuses makes HumHub load the page anew, in the belief that its nonce is an old one.

  const RELOADS = 1800000;
  window.addEventListener('securitypolicyviolation', (refused) => {
    const last = Number(localStorage.getItem('cspViolationReloadTime'));
    if (!refused.violatedDirective.includes('script-src') || Date.now() - last < RELOADS) return;
    localStorage.setItem('cspViolationReloadTime', Date.now());
    location.reload();
  });

  const loaded = new Promise((done) => { document.addEventListener('DOMContentLoaded', done); });
  const ready = (callback) => loaded.then(callback);

  ready(() => start(document));

  const client = modules.client = {ajax, post};
  modules['client.pjax'] = {redirect: (url) => change(url), reload: () => change(location.href, {push: false})};
  modules['ui.modal'] = modal;
  modules['ui.widget'] = {Widget: {instance}};
  modules.action = {getProcessTrigger: (name) => processes[name]};

  window.humhub = {
    config, event, modules, require: (name) => modules[name], client, modal, notice, widgets, actions, inject, ready, csrf,
  };
})();
