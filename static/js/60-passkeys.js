// Passkeys: the server's question is passed to the device, and its answer back.
(() => {
  'use strict';
  if (!window.PublicKeyCredential) return;
  const bytes = (text) => Uint8Array.from(atob(text.replace(/-/g, '+').replace(/_/g, '/')), (c) => c.charCodeAt(0));
  const text = (buffer) => btoa(String.fromCharCode(...new Uint8Array(buffer))).replace(/\+/g, '-').replace(/\//g, '_').replace(/=/g, '');
  const send = async (url, body) => {
    const answer = await fetch(url, { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(body) });
    const got = await answer.json();
    if (!answer.ok) throw Object.assign(new Error(got.error.message), { shown: true });
    return got;
  };
  // Binary values travel as base64url.
  const question = (q) => {
    q.challenge = bytes(q.challenge);
    if (q.user) q.user.id = bytes(q.user.id);
    for (const list of [q.excludeCredentials, q.allowCredentials]) list?.forEach((c) => { c.id = bytes(c.id); });
    return { publicKey: q };
  };
  const answer = (c) => {
    const response = {};
    for (const name of ['clientDataJSON', 'attestationObject', 'authenticatorData', 'signature', 'userHandle']) {
      if (c.response[name]) response[name] = text(c.response[name]);
    }
    if (c.response.getTransports) response.transports = c.response.getTransports();
    return { id: c.id, rawId: text(c.rawId), type: c.type, response, authenticatorAttachment: c.authenticatorAttachment ?? undefined, clientExtensionResults: c.getClientExtensionResults() };
  };
  document.querySelectorAll('[data-passkey-none]').forEach((n) => { n.hidden = true; });
  for (const box of document.querySelectorAll('[data-passkey]')) {
    box.hidden = false;
    const problem = box.querySelector('[role=alert]');
    const button = box.querySelector('button');
    button.addEventListener('click', async () => {
      problem.hidden = true;
      button.disabled = true;
      try {
        const asked = await send(box.dataset.options, {});
        const credential = await navigator.credentials[box.dataset.passkey](question(asked.publicKey));
        const done = await send(box.dataset.finish, { token: asked.token, return: box.dataset.return, name: box.querySelector('input')?.value, credential: answer(credential) });
        location.assign(done.location);
      } catch (err) {
        problem.textContent = err.shown ? err.message : box.dataset.failed;
        problem.hidden = false;
      } finally {
        button.disabled = false;
      }
    });
  }
})();
