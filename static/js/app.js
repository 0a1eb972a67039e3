// What the pages gain with a script; every one of them works without.
(() => {
  'use strict';
  document.documentElement.classList.add('js');

  // Menus close with Escape and with a click elsewhere.
  const menus = () => document.querySelectorAll('details.menu[open], details.prefs[open]');
  addEventListener('click', (e) => menus().forEach((m) => {
    const nav = m.matches('.menu') && m.nextElementSibling;
    if (!m.contains(e.target) && !(nav && nav.contains(e.target))) m.open = false;
  }));
  addEventListener('keydown', (e) => {
    if (e.key === 'Escape') menus().forEach((m) => {
      m.open = false;
      m.querySelector('summary').focus();
    });
  });

  // Suggestions below the search field: an ARIA combobox with a list. An empty
  // field offers what was searched before, which never leaves this browser.
  const recentKey = 'searched';
  const recent = () => {
    try {
      const list = JSON.parse(localStorage.getItem(recentKey));
      return Array.isArray(list) ? list.filter((q) => typeof q === 'string').slice(0, 5) : [];
    } catch { return []; }
  };
  const remember = (q) => {
    try {
      localStorage.setItem(recentKey, JSON.stringify([q, ...recent().filter((r) => r !== q)].slice(0, 5)));
    } catch { /* no storage, no memory */ }
  };
  const forget = () => {
    try { localStorage.removeItem(recentKey); } catch { /* nothing was kept */ }
  };

  const combobox = (input, n) => {
    const form = input.form;
    const list = document.createElement('ul');
    list.className = 'suggestions';
    list.id = 'suggestions-' + n;
    list.hidden = true;
    list.setAttribute('role', 'listbox');
    list.setAttribute('aria-label', input.dataset.list);
    form.append(list);
    for (const [name, value] of Object.entries({ role: 'combobox', 'aria-autocomplete': 'list', 'aria-expanded': 'false', 'aria-controls': list.id })) {
      input.setAttribute(name, value);
    }
    let active = -1;
    let typed = input.value;
    let request = null;

    const close = () => {
      list.hidden = true;
      active = -1;
      input.setAttribute('aria-expanded', 'false');
      input.removeAttribute('aria-activedescendant');
    };
    const choose = (i) => {
      const options = [...list.children];
      options.forEach((o, at) => o.setAttribute('aria-selected', at === i));
      active = i;
      if (i < 0) {
        input.removeAttribute('aria-activedescendant');
        input.value = typed;
        return;
      }
      input.setAttribute('aria-activedescendant', options[i].id);
      input.value = options[i].dataset.title;
      options[i].scrollIntoView({ block: 'nearest' });
    };
    const go = (option) => {
      if (option.dataset.forget) {
        forget();
        input.value = typed;
        close();
        return;
      }
      if (option.dataset.url) {
        location.assign(option.dataset.url);
        return;
      }
      input.value = option.dataset.title;
      form.requestSubmit();
    };
    const show = (items) => {
      list.replaceChildren(...items.map((item, i) => {
        const li = document.createElement('li');
        li.id = list.id + '-' + i;
        li.setAttribute('role', 'option');
        li.setAttribute('aria-selected', 'false');
        li.dataset.title = item.title;
        if (item.url) li.dataset.url = item.url;
        const title = document.createElement('span');
        for (const part of item.parts ?? [{ text: item.title }]) {
          if (part.mark) {
            const mark = document.createElement('mark');
            mark.textContent = part.text;
            title.append(mark);
          } else title.append(part.text);
        }
        if (item.forget) li.dataset.forget = 'yes';
        const kind = document.createElement('span');
        kind.className = 'kind';
        kind.textContent = item.label;
        li.append(title, kind);
        li.addEventListener('mousedown', (e) => { e.preventDefault(); go(li); });
        return li;
      }));
      active = -1;
      list.hidden = items.length === 0;
      input.setAttribute('aria-expanded', String(!list.hidden));
      input.removeAttribute('aria-activedescendant');
    };
    // One request at a time: what is typed meanwhile is asked next, at once.
    let waiting = false;
    const update = async () => {
      typed = input.value;
      if (request && typed.trim() !== '') {
        waiting = true;
        return;
      }
      if (typed.trim() === '') {
        const before = recent().map((q) => ({ title: q, label: input.dataset.recent }));
        show(before.length ? [...before, { title: '', parts: [{ text: input.dataset.forget }], label: '', forget: true }] : []);
        return;
      }
      request = new AbortController();
      try {
        const answer = await fetch(input.dataset.suggest + '?q=' + encodeURIComponent(typed), { signal: request.signal });
        const items = answer.ok ? await answer.json() : [];
        if (document.activeElement === input && input.value.trim() !== '') show(items);
      } catch { /* given up, or offline: the field works without */ }
      request = null;
      if (waiting) {
        waiting = false;
        update();
      }
    };
    input.addEventListener('input', update);
    input.addEventListener('focus', () => { if (input.value === '') update(); });
    input.addEventListener('blur', close);
    input.addEventListener('keydown', (e) => {
      const last = list.children.length - 1;
      if (e.key === 'Escape' && !list.hidden) {
        e.preventDefault();
        input.value = typed;
        close();
      } else if (e.key === 'ArrowDown' || e.key === 'ArrowUp') {
        if (list.hidden) {
          update();
        } else {
          const step = e.key === 'ArrowDown' ? 1 : -1;
          const next = active + step;
          choose(next > last ? -1 : next < -1 ? last : next);
        }
        e.preventDefault();
      } else if (e.key === 'Enter' && !list.hidden && active >= 0) {
        e.preventDefault();
        go(list.children[active]);
      }
    });
    form.addEventListener('submit', () => {
      waiting = false;
      request?.abort();
      const q = input.value.trim();
      if (q) remember(q);
    });
  };
  document.querySelectorAll('input[data-suggest]').forEach(combobox);

  // Filters apply at once: the page is fetched and its results put in place of
  // these, the focus stays, the address follows.
  const found = () => document.querySelector('[data-found]');
  let loading = null;
  const load = async (url, push) => {
    loading?.abort();
    loading = new AbortController();
    const old = found();
    old.setAttribute('data-busy', '');
    try {
      const answer = await fetch(url, { signal: loading.signal, headers: { Accept: 'text/html' } });
      const page = new DOMParser().parseFromString(await answer.text(), 'text/html');
      const fresh = page.querySelector('[data-found]');
      if (!fresh) throw new Error('no results on the page');
      const focus = document.activeElement?.id;
      const folded = new Map([...old.querySelectorAll('details')].map((d, i) => [d.dataset.facet || d.className + i, d.open]));
      fresh.querySelectorAll('details').forEach((d, i) => {
        const was = folded.get(d.dataset.facet || d.className + i);
        if (was !== undefined) d.open = was;
      });
      old.replaceWith(fresh);
      if (push) history.pushState(null, '', url);
      document.title = page.title;
      if (focus) document.getElementById(focus)?.focus({ preventScroll: true });
      document.querySelector('[data-status]').textContent = fresh.querySelector('[data-announce]')?.textContent.trim() ?? '';
    } catch (err) {
      if (err.name !== 'AbortError') location.assign(url);
    }
  };
  addEventListener('change', (e) => {
    const form = e.target.closest?.('form[data-facets]');
    if (!form) return;
    const query = new URLSearchParams(new FormData(form));
    for (const [name, value] of [...query]) if (value === '') query.delete(name, value);
    load(form.action + '?' + query, true);
  });
  addEventListener('click', (e) => {
    const link = e.target.closest?.('[data-found] .chips a, [data-found] .pager a');
    if (!link || e.ctrlKey || e.metaKey || e.shiftKey || e.button) return;
    e.preventDefault();
    load(link.href, true).then(() => {
      const title = document.getElementById('found-title');
      title.tabIndex = -1;
      title.focus();
      title.scrollIntoView({ block: 'nearest' });
    });
  });

  // That a result was opened is counted with the query alone.
  addEventListener('click', (e) => {
    const form = e.target.closest?.('[data-found] .hit h3 a, [data-found] .hit .side a') && document.querySelector('form[data-facets]');
    const query = form && new FormData(form);
    if (query?.get('q')) {
      navigator.sendBeacon(form.action.replace(/search$/, 'clicks'), new URLSearchParams({ q: query.get('q'), kind: query.get('kind') }));
    }
  });

  addEventListener('popstate', () => { if (found()) load(location.href, false); });

  // The tab in view is the current one.
  document.querySelector('.tabs [aria-current]')?.scrollIntoView({ block: 'nearest', inline: 'center' });
})();
