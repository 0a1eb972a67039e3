// Editors of the consoles: what is typed is kept on the device until it is
// saved, and two who edit the same thing are told of each other.
(() => {
  'use strict';
  const prefix = 'draft:';
  const keptFor = 30 * 24 * 3600 * 1000;
  const load = (key) => {
    try { return JSON.parse(localStorage.getItem(key)); } catch { return null; }
  };
  const drafts = () => {
    try { return Object.keys(localStorage).filter((key) => key.startsWith(prefix)); } catch { return []; }
  };
  for (const key of drafts()) if (!(Date.now() - load(key)?.at < keptFor)) localStorage.removeItem(key);

  // The server says what has just been saved.
  const saved = document.cookie.match(/(?:^|; )saved=([^;]*)/);
  if (saved) {
    const thing = decodeURIComponent(saved[1]);
    for (const key of drafts()) if (key.endsWith('\n' + thing)) localStorage.removeItem(key);
    document.cookie = 'saved=; Path=/; Max-Age=0';
  }
  // Who signs out leaves nothing on the device.
  addEventListener('submit', (e) => {
    if (e.target.getAttribute('action')?.endsWith('/sign-out')) drafts().forEach((key) => localStorage.removeItem(key));
  });

  const fields = (form) => [...form.elements].filter((f) => f.name && f.name !== 'revision' && !['file', 'password', 'submit', 'button'].includes(f.type));
  const read = (form) => fields(form).flatMap((f) => {
    if (f.type === 'checkbox' || f.type === 'radio') return f.checked ? [[f.name, f.value]] : [];
    if (f.type === 'select-multiple') return [...f.selectedOptions].map((o) => [f.name, o.value]);
    return [[f.name, f.value]];
  });

  // restore puts a draft into the form. Rows that the page does not have are
  // asked of the server, which shows them without saving.
  const restore = (form, draft) => {
    const values = new Map();
    for (const [name, value] of draft.entries) values.set(name, [...values.get(name) ?? [], value]);
    form.elements.revision.value = draft.revision;
    for (const f of fields(form)) {
      const left = values.get(f.name) ?? [];
      if (f.type === 'checkbox' || f.type === 'radio') f.checked = left.includes(f.value);
      else if (f.type === 'select-multiple') for (const o of f.options) o.selected = left.includes(o.value);
      else if (left.length) f.value = left.shift();
    }
    const rows = new Set(fields(form).filter((f) => !['checkbox', 'radio', 'select-multiple'].includes(f.type)).map((f) => f.name));
    if ('rows' in form.dataset && draft.entries.some(([name]) => !form.elements[name] || rows.has(name) && values.get(name).length)) {
      const sent = document.createElement('form');
      sent.method = 'post';
      sent.action = form.getAttribute('action');
      for (const [name, value] of [...draft.entries, ['revision', draft.revision], ['intent', 'show']]) {
        const f = document.createElement('input');
        f.type = 'hidden';
        f.name = name;
        f.value = value;
        sent.append(f);
      }
      document.body.append(sent);
      sent.submit();
      return;
    }
    form.dispatchEvent(new Event('input', { bubbles: true }));
  };

  for (const form of document.querySelectorAll('form[data-draft]')) {
    const key = prefix + form.dataset.draftBy + '\n' + form.dataset.draft;
    const part = (name) => form.querySelector(`[data-draft-${name}]`);
    const asStored = JSON.stringify(read(form));
    let timer = 0;
    const keep = () => {
      clearTimeout(timer);
      const entries = read(form);
      try {
        if (JSON.stringify(entries) === asStored && !('typed' in form.dataset)) {
          localStorage.removeItem(key);
          part('kept').hidden = true;
          return;
        }
        localStorage.setItem(key, JSON.stringify({ at: Date.now(), revision: form.elements.revision.value, entries }));
        part('kept').hidden = false;
      } catch { /* no storage, no draft */ }
      part('offer').hidden = true;
    };
    const draft = load(key);
    if ('typed' in form.dataset) {
      keep();
    } else if (draft && JSON.stringify(draft.entries) !== asStored) {
      const at = part('at');
      at.dateTime = new Date(draft.at).toISOString();
      at.textContent = new Date(draft.at).toLocaleString(document.documentElement.lang);
      part('offer').hidden = false;
      part('restore').addEventListener('click', () => { restore(form, draft); form.querySelector('input:not([type=hidden]), select, textarea')?.focus(); });
      part('discard').addEventListener('click', () => { localStorage.removeItem(key); part('offer').hidden = true; });
    }
    form.addEventListener('input', () => {
      clearTimeout(timer);
      timer = setTimeout(keep, 250);
    });
    addEventListener('pagehide', () => { if (timer) keep(); });

    // Who else edits, asked again and again while the page is in view.
    const others = form.querySelector('[data-editors]');
    const body = (more) => new URLSearchParams({ token: others.dataset.token, ...more });
    const ask = async () => {
      if (document.hidden) return;
      try {
        const answer = await fetch(others.dataset.editors, { method: 'POST', body: body() });
        if (!answer.ok) return;
        const text = await answer.text();
        if (text !== others.textContent) others.textContent = text;
        others.hidden = text === '';
      } catch { /* offline: asked again later */ }
    };
    setInterval(ask, others.dataset.beat * 1000);
    addEventListener('visibilitychange', ask);
    addEventListener('pagehide', () => navigator.sendBeacon(others.dataset.editors, body({ stop: '1' })));
  }
})();
