// The builder of packages: every act is a form that is sent; the script keeps
// the place on the page, and sends what is chosen at once.
(() => {
  'use strict';
  const key = 'builder-at';
  for (const form of document.querySelectorAll('form[data-builder]')) {
    const here = location.pathname;
    try {
      const at = JSON.parse(sessionStorage.getItem(key));
      sessionStorage.removeItem(key);
      if (at?.path === here && !document.querySelector('.error-summary, #picker')) scrollTo(0, at.y);
      else document.getElementById('picker')?.scrollIntoView({ block: 'center' });
    } catch { /* no storage: the page begins at its top */ }
    form.addEventListener('submit', () => {
      try { sessionStorage.setItem(key, JSON.stringify({ path: here, y: scrollY })); } catch { /* as above */ }
    });
    form.addEventListener('change', (e) => {
      if (e.target.matches('[data-auto]')) form.requestSubmit(form.querySelector('button[value=check]'));
    });
  }
})();
