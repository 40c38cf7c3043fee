// api.js of the small Docs: puts an editor's frame into a page and passes messages between the two.
//
// `new DocsAPI.DocEditor(elementId, config)`; nothing is verified here, the configuration is handed on as it is.
// Every address is relative to this script's own.
(function () {
  'use strict';

  const EDITORS = {
    word: 'documenteditor', cell: 'spreadsheeteditor', slide: 'presentationeditor', pdf: 'pdfeditor',
  };
  const CELL = /^(xlsx?|xlsm|ods|csv)$/;
  const SLIDE = /^(pptx?|pptm|odp)$/;

  const script = document.currentScript
    || [...document.getElementsByTagName('script')].find((one) => /\/api\/documents\/api\.js/.test(one.src));
  const apps = new URL('../../', script.src);

  function kindOf(config) {
    if (EDITORS[config.documentType]) return config.documentType;
    const type = ((config.document || {}).fileType || '').toLowerCase();
    if (type === 'pdf') return 'pdf';
    if (CELL.test(type)) return 'cell';
    return SLIDE.test(type) ? 'slide' : 'word';
  }

  function frameUrl(config, frameId) {
    const folder = config.type === 'mobile' ? 'mobile' : config.type === 'embedded' ? 'embed' : 'main';
    const url = new URL(`${EDITORS[kindOf(config)]}/${folder}/index.html`, apps);
    const user = (config.editorConfig || {}).user || {};
    url.searchParams.set('_dc', '9.0.0-1');
    url.searchParams.set('lang', (config.editorConfig || {}).lang || 'en');
    url.searchParams.set('type', config.type || 'desktop');
    url.searchParams.set('customer', 'Small Docs');
    url.searchParams.set('frameEditorId', frameId);
    url.searchParams.set('parentOrigin', window.location.origin);
    if (user.id) url.searchParams.set('userId', user.id);
    const shard = new URL(script.src).searchParams;
    const key = shard.get('shardkey') || shard.get('shardKey') || (config.document || {}).key;
    if (key) url.searchParams.set('shardkey', key);
    return url.href;
  }

  class DocEditor {
    constructor(elementId, config) {
      this.config = config || {};
      this.id = elementId;
      this.place = document.getElementById(elementId);
      this.frame = document.createElement('iframe');
      this.frame.name = 'frameEditor';
      this.frame.title = 'Editor';
      this.frame.allow = 'fullscreen; clipboard-read; clipboard-write';
      this.frame.style.border = '0';
      this.frame.width = this.config.width || '100%';
      this.frame.height = this.config.height || '100%';
      this.frame.src = frameUrl(this.config, elementId);
      this.listener = (event) => this.receive(event);
      window.addEventListener('message', this.listener);
      this.place.replaceWith(this.frame);
    }

    receive(event) {
      if (event.source !== this.frame.contentWindow) return;
      let message = event.data;
      if (typeof message === 'string') {
        try { message = JSON.parse(message); } catch (_error) { return; }
      }
      if (!message || message.frameEditorId !== this.id) return;
      if (message.event === 'onReady') {
        this.send('init', { config: this.plain(), wanted: Object.keys(this.config.events || {}) });
        return;
      }
      const handler = (this.config.events || {})[message.event];
      if (typeof handler === 'function') handler.call(this, { target: this, data: message.data });
    }

    // The configuration without what can't be posted (the host's event handlers).
    plain() {
      const { events: _events, ...rest } = this.config;
      return JSON.parse(JSON.stringify(rest));
    }

    send(command, data) {
      const message = JSON.stringify({ command, data, frameEditorId: this.id });
      this.frame.contentWindow.postMessage(message, apps.origin);
    }

    destroyEditor() {
      window.removeEventListener('message', this.listener);
      if (this.frame.isConnected) this.frame.replaceWith(this.place);
    }

    requestClose() { this.send('requestClose'); }
    showMessage(text) { this.send('showMessage', { text }); }
    processSaveResult(result) { this.send('processSaveResult', { result }); }
    refreshFile(config) { this.send('refreshFile', { config }); }
    downloadAs(format) { this.send('downloadAs', { format }); }
    denyEditingRights(message) { this.send('showMessage', { text: message }); }
    setUsers() {}
    insertImage() {}
    setHistoryData() {}
    refreshHistory() {}
    serviceCommand() {}
  }
  DocEditor.version = () => '4.1.2';

  window.DocsAPI = { DocEditor };
})();
