// Passkeys (WebAuthn Level 3): asks the browser for one and posts its answer with the form. Everything else works without this script.

const form = document.querySelector("form[data-passkey]");
const kind = form.dataset.passkey;
const status = form.querySelector("[data-status]");
const options = JSON.parse(form.dataset.options);
let waiting = new AbortController();

function bytesOf(text) {
  const binary = atob(text.replaceAll("-", "+").replaceAll("_", "/"));
  return Uint8Array.from(binary, (character) => character.charCodeAt(0));
}

function textOf(buffer) {
  const binary = String.fromCharCode(...new Uint8Array(buffer));
  return btoa(binary).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

// Browsers that cannot read options from JSON themselves (§5.1.8, §5.1.9).
function read() {
  const parse = { create: "parseCreationOptionsFromJSON", get: "parseRequestOptionsFromJSON" }[kind];
  if (PublicKeyCredential[parse]) {
    return PublicKeyCredential[parse](options);
  }
  const known = (list) => list?.map((one) => ({ ...one, id: bytesOf(one.id) }));
  return {
    ...options,
    challenge: bytesOf(options.challenge),
    ...(options.user && { user: { ...options.user, id: bytesOf(options.user.id) } }),
    ...(options.excludeCredentials && { excludeCredentials: known(options.excludeCredentials) }),
    ...(options.allowCredentials && { allowCredentials: known(options.allowCredentials) }),
  };
}

// Written here and not by `toJSON`: some extensions that stand in for the browser bring answers without it.
function plain(credential) {
  const { response } = credential;
  const parts = ["clientDataJSON", "attestationObject", "authenticatorData", "signature", "userHandle"];
  const present = parts.filter((name) => response[name]);
  return {
    id: credential.id,
    rawId: credential.id,
    type: credential.type,
    response: {
      ...Object.fromEntries(present.map((name) => [name, textOf(response[name])])),
      transports: response.getTransports?.() ?? [],
    },
  };
}

function say(what) {
  status.textContent = what ? status.dataset[what] : "";
}

async function ask(mediation) {
  waiting.abort();
  waiting = new AbortController();
  const credential = await navigator.credentials[kind]({ publicKey: read(), signal: waiting.signal, ...mediation });
  form.elements.response.value = JSON.stringify(plain(credential));
  form.submit();
}

const REASONS = { NotAllowedError: "cancelled", InvalidStateError: "known" };

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  say("waiting");
  try {
    await ask({});
  } catch (error) {
    if (error.name !== "AbortError") {
      say(REASONS[error.name] ?? "failed");
    }
  }
});

async function offerInField() {
  if (!(await PublicKeyCredential.isConditionalMediationAvailable?.())) {
    return;
  }
  try {
    await ask({ mediation: "conditional" });
  } catch {
    // The person signs in in another way, or clicked the button: nothing to say.
  }
}

if (window.PublicKeyCredential) {
  form.hidden = false;
  form.querySelector("[autofocus]")?.focus(); // hidden, it could not have it when the page came
  document.querySelector("[data-missing]")?.remove();
  if ("autofill" in form.dataset) {
    offerInField();
  }
}
