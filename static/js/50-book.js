// Moments stand in Shanghai's time and in UTC; the reader's own time takes the
// place of UTC, and goes where it is Shanghai's.
(() => {
  'use strict';
  const lang = document.documentElement.lang === 'en' ? 'en-GB' : document.documentElement.lang;
  const write = (at, timeZone, dateStyle) => new Intl.DateTimeFormat(`${lang}-u-nu-latn-ca-gregory`, { dateStyle, timeStyle: 'short', timeZone }).format(at);
  for (const zone of document.querySelectorAll('[data-local]')) {
    const at = new Date(zone.closest('time').dateTime);
    const [here, there] = [undefined, 'Asia/Shanghai'].map((timeZone) => write(at, timeZone, 'short'));
    if (here === there) {
      zone.remove();
      continue;
    }
    const sameDay = at.toLocaleDateString('en') === at.toLocaleDateString('en', { timeZone: 'Asia/Shanghai' });
    zone.textContent = `(${zone.dataset.local.replace('%', write(at, undefined, sameDay ? undefined : 'long'))})`;
  }
})();

// A choice is priced at once: the page is fetched as its button would fetch it,
// and its price and dates put in place of these; the focus stays.
(() => {
  'use strict';
  let loading = null;
  const take = (page) => {
    const focus = document.activeElement?.id;
    for (const part of document.querySelectorAll('[data-part]')) {
      const fresh = page.querySelector(`[data-part="${part.dataset.part}"]`);
      const open = [...part.querySelectorAll('details')].map((d) => d.open);
      fresh.querySelectorAll('details').forEach((d, i) => { d.open ||= open[i] ?? false; });
      part.replaceWith(fresh);
    }
    if (focus) document.getElementById(focus)?.focus({ preventScroll: true });
    document.querySelector('[data-price-status]').textContent = document.querySelector('#price :is(.error-summary, .price, .note)')?.textContent.trim() ?? '';
  };
  addEventListener('change', async (e) => {
    const box = e.target.closest?.('[data-autosubmit]');
    if (!box) return;
    const { form } = e.target;
    const button = box.querySelector('button');
    const fields = new URLSearchParams(new FormData(form));
    const post = form.method === 'post';
    const url = post ? button.formAction : `${form.action}?${fields}`;
    loading?.abort();
    loading = new AbortController();
    try {
      const answer = await fetch(url, { signal: loading.signal, headers: { Accept: 'text/html' }, ...(post && { method: 'POST', body: fields }) });
      const page = new DOMParser().parseFromString(await answer.text(), 'text/html');
      take(page);
      const fresh = page.querySelector('[data-here]');
      if (fresh) form.action = fresh.getAttribute('action');
      history.replaceState(null, '', fresh?.dataset.here ?? url);
    } catch (err) {
      if (err.name === 'AbortError') return;
      if (post) form.requestSubmit(button);
      else location.assign(url);
    }
  });
})();
