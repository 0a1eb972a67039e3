// What may not stand in a listing is said beside its field while somebody
// types.
(() => {
  'use strict';
  const timers = new WeakMap();
  const check = async (field) => {
    const list = document.querySelector(`[data-lint="${field.name}"]`);
    const text = field.value;
    try {
      const answer = await fetch(field.dataset.linted, { method: 'POST', body: new URLSearchParams({ text }) });
      if (!answer.ok || field.value !== text) return;
      list.replaceChildren(...(await answer.json()).map((finding) => {
        const item = document.createElement('li');
        item.className = finding.severity;
        item.textContent = finding.text;
        return item;
      }));
    } catch { /* offline: said when it is saved */ }
  };
  addEventListener('input', (e) => {
    const field = e.target.closest?.('[data-linted]');
    if (!field) return;
    const missing = document.querySelector(`[data-missing="${field.name}"]`);
    if (missing) missing.hidden = field.value.trim() !== '';
    clearTimeout(timers.get(field));
    timers.set(field, setTimeout(check, 500, field));
  });
})();
