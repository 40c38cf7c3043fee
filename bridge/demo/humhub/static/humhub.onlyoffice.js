// The module's script: the editor in its modal, creating, converting and sharing. Loaded anew with each fragment.
(() => {
  'use strict';
  const {client, modal, widgets, actions, watch} = window.humhub;
  const tell = (name, file) => window.humhub.event.trigger(`humhub:file:${name}`, [file]);
  const CLOSE_PATIENCE = 3000;
  const UNREACHABLE = 'ONLYOFFICE cannot be reached. Your document is safe in HumHub; please try again later.';

  // The editor

  widgets['onlyoffice.Editor'] = (node, failed) => {
    const settings = JSON.parse(node.dataset.config);
    const api = JSON.parse(node.dataset.api);
    const notice = node.querySelector('.onlyoffice-notice');
    const guid = new URL(node.dataset.fileInfoUrl, location.href).searchParams.get('guid');
    let editor = null;
    let closed = null;

    const say = (text) => {
      notice.textContent = text;
      notice.hidden = false;
    };

    const finish = async () => {
      const file = await client.post(node.dataset.fileInfoUrl, {}).then((found) => found.file, () => null);
      if (file) tell('modified', file);
      shut();
    };

    const shut = () => {
      if (closed) return;
      closed = true;
      if (editor) editor.destroyEditor();
      if (guid) watch(guid);
      modal.of(node)?.close();
    };

    const share = (button) => modal.get('onlyoffice-share-modal').load(button.dataset.actionUrl);

    const close = () => {
      if (!editor || node.dataset.editMode !== 'edit') return shut();
      if (!editor.requestClose) return finish();
      setTimeout(() => closed || finish(), CLOSE_PATIENCE);
      return editor.requestClose();
    };

    if (!window.DocsAPI || failed.length) {
      say(UNREACHABLE);
      return {close: shut, share};
    }
    settings.width = settings.height = '100%';
    settings.events = {
      onRequestClose: finish,
      onError: (event) => say(`ONLYOFFICE reported an error: ${event?.data?.errorDescription || event?.data || 'unknown'}`),
      onMakeActionLink: (event) => client.post(api.makeAnchorUrl, {doc_key: settings.document.key}).then((found) => {
        editor.setActionLink?.(`${location.origin}${found.url}&anchor=${encodeURIComponent(JSON.stringify(event.data))}`);
      }),
      onRequestSaveAs: (event) => client.post(api.saveasUrl, {name: event.data.title, url: event.data.url})
        .then((found) => tell('created.cfiles', found.file), (error) => say(error.message)),
    };
    if (api.renameUrl) {
      settings.events.onRequestRename = (event) => {
        const wanted = {newFileName: event.data, key: settings.document.key, ext: settings.document.fileType};
        client.post(api.renameUrl, wanted).catch((error) => say(error.message));
      };
    }
    if (api.usersForMentionsUrl) {
      settings.events.onRequestUsers = (event) => {
        const wanted = {key: settings.document.key, offset: 0, limit: 100, search: event?.data?.search || ''};
        client.post(api.usersForMentionsUrl, wanted).then((found) => editor.setUsers({c: event.data.c, users: found.users}));
      };
    }
    editor = new window.DocsAPI.DocEditor('iframeContainer', settings);
    return {close, share};
  };

  // Creating

  actions['onlyoffice.createSubmit'] = async (button) => {
    const form = button.form;
    const body = new URLSearchParams(new FormData(form));
    const answer = await (await client.ajax(form.action, {method: 'POST', body})).json();
    const here = modal.get('onlyoffice-modal');
    if (!answer.success) return here.fill(answer.output);
    tell('created', answer.file);
    return answer.openFlag ? here.load(answer.openUrl) : here.close();
  };

  // Converting: ask again each second until it has ended.

  widgets['onlyoffice.Convert'] = (node) => {
    const message = node.querySelector('#oConvertMessage');
    const step = async () => {
      try {
        const found = await client.post(node.dataset.convertPost, {});
        if ('error' in found) throw new Error(found.error || 'unknown');
        message.textContent = found.endConvert ? node.dataset.doneMessage : `${found.percent ?? 0}%`;
        if (!found.endConvert) setTimeout(step, 1000);
      } catch (error) {
        message.textContent = `${node.dataset.errorMessage} ${error.message}`;
      }
    };
    step();
    return {
      close: async () => {
        const found = await client.post(node.dataset.fileInfoUrl, {}).catch(() => null);
        modal.of(node).close();
        if (found) tell('modified', found.file);
      },
    };
  };

  // Sharing

  widgets['onlyoffice.Share'] = (node) => {
    for (const mode of ['view', 'edit']) {
      const box = node.querySelector(`.${mode}LinkCheckbox`);
      const field = node.querySelector(`.${mode}LinkInput`);
      field.hidden = !box.checked;
      box.onchange = async () => {
        const url = box.checked ? node.dataset.shareGetLink : node.dataset.shareRemoveLink;
        const found = await client.post(url, {shareMode: mode});
        field.hidden = !box.checked;
        field.querySelector('input').value = found.url || '';
      };
    }
    return {};
  };
})();
