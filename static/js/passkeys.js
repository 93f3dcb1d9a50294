// Passkeys: asks the browser for what only it can do, and sends the answer with the form that the button is in.
// Without this file the buttons stay hidden, and the page says that passkeys need JavaScript.
"use strict";

const PASSKEY_PROBLEMS = {
  InvalidStateError: "This device has a passkey for your account already.",
  NotAllowedError: "The passkey was not used: it was cancelled, took too long, or you were not verified.",
  SecurityError: "Passkeys do not work at this address.",
};

function sayPasskeyProblem(form, text) {
  const place = form.querySelector("[data-passkey-problem]");
  place.textContent = text;
  place.hidden = !text;
}

async function passkeyOptions(address) {
  const answer = await fetch(address, { method: "POST", headers: { Accept: "application/json" } });
  if (answer.redirected) {
    // Signed out, or the proof of who acts is too old: that page leads back here.
    location.assign(answer.url);
    return new Promise(() => {});
  }
  const isJson = (answer.headers.get("Content-Type") || "").startsWith("application/json");
  const body = isJson ? await answer.json() : {};
  if (!isJson || body.problem) throw new Error(body.problem || "The dashboard did not answer. Try again.");
  return body;
}

async function passkeyAnswer(options, makesOne) {
  if (makesOne) {
    return navigator.credentials.create({ publicKey: PublicKeyCredential.parseCreationOptionsFromJSON(options) });
  }
  return navigator.credentials.get({ publicKey: PublicKeyCredential.parseRequestOptionsFromJSON(options) });
}

async function usePasskey(button) {
  const form = button.closest("form");
  if (!form.reportValidity()) return;
  sayPasskeyProblem(form, "");
  button.disabled = true;
  try {
    const options = await passkeyOptions(button.dataset.passkeyOptions);
    const credential = await passkeyAnswer(options, "passkeyMakes" in button.dataset);
    form.elements.credential.value = JSON.stringify(credential.toJSON());
    form.submit();
  } catch (problem) {
    sayPasskeyProblem(form, PASSKEY_PROBLEMS[problem.name] || problem.message);
  } finally {
    button.disabled = false;
  }
}

function showPasskeyButtons() {
  const isAble = window.PublicKeyCredential && "parseRequestOptionsFromJSON" in PublicKeyCredential;
  for (const button of document.querySelectorAll("[data-passkey-options][hidden]")) {
    button.closest("form").querySelector("[data-passkey-needs-script]").hidden = true;
    if (isAble) button.hidden = false;
    else sayPasskeyProblem(button.closest("form"), "This browser does not know passkeys.");
  }
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-passkey-options]");
  if (button) {
    event.preventDefault();
    usePasskey(button);
  }
});
document.addEventListener("htmx:afterSwap", showPasskeyButtons);
document.addEventListener("htmx:historyRestore", showPasskeyButtons);
showPasskeyButtons();
