// Files in the pages: uploads and what comes of them, lists of files, the space's folders, posts and comments.
(() => {
  'use strict';

  const {client, config, csrf, event, inject, modal, notice, ready, require, widgets, actions} = window.humhub;
  const {Widget} = require('ui.widget');

  // Uploads: what came is put into the form as a hidden field, and into the list beside it.

  widgets['file.Upload'] = (input) => {
    const data = input.dataset;
    const form = input.closest('form');
    const preview = data.uploadPreview && Widget.instance(data.uploadPreview);
    const progress = data.uploadProgress && document.querySelector(data.uploadProgress);

    const upload = {
      run: () => input.click(),
      handleFileResponse: (file) => {
        if (file.error) {
          notice(`${file.name}: ${[].concat(file.errors).join(' ')}`);
          return;
        }
        const field = document.createElement('input');
        Object.assign(field, {type: 'hidden', name: data.uploadSubmitName || 'fileList[]', value: file.guid});
        form?.append(field);
        preview?.add?.(file);
      },
      finish: () => { if (progress) progress.hidden = true; },
      reset: () => {
        for (const field of form.querySelectorAll(`input[type="hidden"][name="${data.uploadSubmitName}"]`)) field.remove();
        preview?.reset?.();
      },
      send: () => {
        const body = new FormData();
        for (const file of input.files) body.append('files[]', file);
        if (data.uploadHideInStream) body.append('hideInStream', '1');
        const request = new XMLHttpRequest();
        request.open('POST', data.uploadUrl || config.get('file', 'upload').url);
        request.setRequestHeader('X-Requested-With', 'XMLHttpRequest');
        request.setRequestHeader('X-CSRF-Token', csrf());
        request.upload.onprogress = (sent) => { if (progress) progress.value = 100 * sent.loaded / sent.total; };
        request.onloadend = () => {
          let answer = {};
          try { answer = JSON.parse(request.responseText); } catch { notice('The upload failed.'); }
          (answer.files || []).forEach(upload.handleFileResponse);
          if (answer.fileList !== undefined) preview?.replaceFileList?.(answer.fileList);
          input.value = '';
          upload.finish();
        };
        if (progress) progress.hidden = false;
        request.send(body);
      },
    };
    input.addEventListener('click', (happened) => happened.stopPropagation());
    input.addEventListener('change', upload.send);
    return upload;
  };

  actions['file.upload'] = (node) => Widget.instance(node.dataset.actionTarget).run();
  actions['file.uploadByType'] = (node) => {
    const button = node.closest('.btn-group').querySelector(':scope > .fileinput-button');
    const input = document.querySelector(button.dataset.actionTarget);
    input.accept = JSON.parse(node.dataset.actionParams).type;
    Widget.instance(input).run();
    input.removeAttribute('accept');
  };

  // A file that was made elsewhere: the form whose menu was clicked last takes it up.
  event.on('humhub:file:created', (_, files) => {
    const trigger = require('action').getProcessTrigger('file-handler');
    const upload = Widget.instance(trigger.closest('.btn-group').querySelector('[data-ui-widget]'));
    [].concat(files).forEach(upload.handleFileResponse);
    upload.finish();
  });

  // Lists of files, from data in the page.

  widgets['file.Preview'] = (node) => {
    const list = document.createElement('ul');
    list.className = 'files';
    node.append(list);
    const editing = 'fileEdit' in node.dataset;

    const add = (file) => {
      const item = document.createElement('li');
      item.className = `file-preview-item mime ${file.mimeIcon}`;
      item.dataset.previewGuid = file.guid;
      item.innerHTML = '<span class="file-preview-content"><span class=""></span></span>';
      const content = item.firstChild;
      if (editing) {
        content.firstChild.textContent = `${file.name} `;
        content.insertAdjacentHTML('beforeend', '<button type="button" class="file_upload_remove_link btn-link" aria-label="Delete">×</button>');
        content.lastChild.onclick = () => remove(file, item).catch((error) => notice(error.message));
      } else {
        content.firstChild.innerHTML = file.openLink;
        content.insertAdjacentHTML('beforeend', '<span class="time file-fileInfo"></span>');
        content.lastChild.textContent = ` - ${file.size_format}`;
      }
      const extra = node.parentNode.querySelector(`:scope > .file-extra[data-extra-guid="${file.guid}"]`);
      if (extra) {
        extra.hidden = false;
        item.append(extra);
      }
      list.append(item);
      node.hidden = false;
    };

    const remove = async (file, item) => {
      await client.post(config.get('file', 'upload').deleteUrl, {guid: file.guid});
      node.closest('form')?.querySelector(`input[value="${file.guid}"]`)?.remove();
      item.remove();
      node.hidden = !list.children.length;
    };

    JSON.parse(node.dataset.uiInit || '[]').forEach(add);
    node.hidden = !list.children.length;
    return {add, reset: () => { list.replaceChildren(); node.hidden = true; }};
  };

  // The space's folders

  widgets['cfiles.FolderView'] = (node) => {
    const list = node.querySelector('#fileList');
    const view = {
      replaceFileList: (markup) => inject(list, markup),
      reloadFileList: async () => view.replaceFileList((await (await client.ajax(node.dataset.reloadFileListUrl)).json()).output),
    };
    const post = async (url, pairs) => (await client.ajax(url, {method: 'POST', body: new URLSearchParams(pairs)}));

    event.off('humhub:file:created.cfiles');
    event.off('humhub:file:modified.cfiles');
    event.on('humhub:file:created.cfiles', async (_, files) => {
      const guids = [].concat(files).map((file) => ['guids[]', file.guid]);
      const answer = await (await post(node.dataset.importUrl, guids)).json();
      if (answer.success) await view.reloadFileList();
    });
    event.on('humhub:file:modified.cfiles', () => view.reloadFileList());

    const chosen = {
      download: (item) => { location.href = item.cfilesUrl; },
      'edit-file': (item) => modal.get('globalModal').load(item.cfilesEditUrl),
      versions: (item) => modal.get('globalModal').load(item.cfilesVersionsUrl),
      delete: async (item) => view.replaceFileList(await (await post(node.dataset.deleteUrl, [['selection[]', item.cfilesItem]])).text()),
    };
    list.addEventListener('click', (happened) => {
      const row = happened.target.closest('[data-cfiles-item]');
      if (happened.target.closest('[data-contextmenu-toggler]')) {
        happened.stopPropagation();
        row.querySelector('.contextMenu').classList.toggle('show');
      }
      const action = happened.target.closest('[data-action]');
      if (!action) return;
      happened.preventDefault();
      row.querySelector('.contextMenu').classList.remove('show');
      Promise.resolve(chosen[action.dataset.action]?.(row.dataset)).catch((error) => notice(error.message));
    });
    return view;
  };

  // Streams, posts and comments

  widgets['stream.wall.WallStream'] = (node) => {
    const content = node.querySelector('[data-stream-content]');
    const load = async () => {
      const found = await (await client.ajax(`${node.dataset.stream}${node.dataset.stream.includes('?') ? '&' : '?'}StreamQuery%5Blimit%5D=50`)).json();
      await inject(content, found.contentOrder.map((number) => found.content[number].output).join(''));
      node.querySelector('.empty').hidden = found.contentOrder.length > 0;
    };
    load().catch((error) => notice(error.message));
    return {};
  };

  const sent = async (node) => client.ajax(node.dataset.actionClickUrl, {method: 'POST', body: new URLSearchParams(new FormData(node.form))});

  async function put(markup, place) {
    const holder = document.createElement('div');
    await inject(holder, markup);
    place(...holder.childNodes);
  }

  actions.submit = async (node) => {
    const form = node.form;
    const answer = await sent(node);
    if (form.closest('.comment_create')) {
      const area = form.closest('.comment-container').querySelector('.comment');
      await put(await answer.text(), (...nodes) => area.append(...nodes));
    } else {
      await put((await answer.json()).output, (...nodes) => document.getElementById('stream').prepend(...nodes));
      document.querySelector('.empty')?.setAttribute('hidden', '');
    }
    form.reset();
    for (const input of form.querySelectorAll('[data-ui-widget="file.Upload"]')) Widget.instance(input).reset();
  };
  actions.edit = async (node) => {
    const entry = node.closest('.wall-entry');
    const markup = await (await client.ajax(node.dataset.actionUrl)).text();
    const content = entry.querySelector('.wall-entry-content');
    const editor = document.createElement('div');
    editor.className = 'wall-entry-editor';
    content.after(editor);
    await inject(editor, markup);
    for (const list of editor.querySelectorAll('[data-ui-widget="file.Preview"]')) Widget.instance(list);
    shown(entry, true);
  };
  actions.cancelEdit = (node) => {
    const entry = node.closest('.wall-entry');
    entry.querySelector('.wall-entry-editor')?.remove();
    shown(entry, false);
  };
  actions.editSubmit = async (node) => {
    const entry = node.closest('.wall-entry');
    await put(await (await sent(node)).text(), (...nodes) => entry.replaceWith(...nodes));
  };

  function shown(entry, editing) {
    entry.querySelector('.wall-entry-content').hidden = editing;
    entry.querySelector('.hideOnEdit').hidden = editing;
    entry.querySelector('.stream-entry-edit-link').style.display = editing ? 'none' : '';
    entry.querySelector('.stream-entry-cancel-edit-link').style.display = editing ? '' : 'none';
  }

  // The text of stored files: looked at again after an editor was closed, until a while after Docs may have saved.

  const WATCH = 60000;
  const watched = new Map();
  const watch = (guid) => watched.set(guid, Date.now() + WATCH);

  async function look() {
    for (const [guid, until] of watched) {
      if (Date.now() > until) watched.delete(guid);
      await refresh(guid).catch(() => {});
    }
    setTimeout(look, 1000);
  }

  async function refresh(guid) {
    for (const node of document.querySelectorAll(`[data-preview-guid="${guid}"] .file-text`)) {
      const found = await (await client.ajax(node.dataset.previewUrl)).json();
      if (String(found.version) === node.dataset.version) continue;
      node.textContent = found.text;
      node.dataset.version = found.version;
      node.classList.add('fresh');
      setTimeout(() => node.classList.remove('fresh'), 3000);
    }
  }

  event.on('humhub:file:modified', (_, file) => {
    watch(file.guid);
    for (const node of document.querySelectorAll(`[data-preview-guid="${file.guid}"] .file-preview-content`)) {
      const link = node.querySelector('a');
      if (link && link.textContent !== file.name) location.reload();
    }
  });

  ready(() => {
    look();
    window.addEventListener('focus', () => {
      for (const node of document.querySelectorAll('#stream [data-preview-guid]')) refresh(node.dataset.previewGuid).catch(() => {});
    });
  });

  window.humhub.watch = watch;
})();
