"use strict";
// Logs in as a public client (code with S256 PKCE, RFC 7636) and sends the calls of the page's forms with the token it gets.

const page = document.getElementById("reference");
const { issuer, client, resource, scope } = page.dataset;
const callback = new URL("/reference", location.href).href;
const person = document.getElementById("person");
const TOKEN = "token", LOGIN = "login";
const SHOWN = ["location", "etag", "retry-after", "ratelimit", "www-authenticate", "idempotency-replayed"];

function base64url(bytes) {
  return btoa(String.fromCharCode(...new Uint8Array(bytes))).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

function random() {
  return base64url(crypto.getRandomValues(new Uint8Array(32)));
}

async function metadata() {
  const answer = await fetch(`${issuer}/.well-known/openid-configuration`);
  return answer.json();
}

async function logIn() {
  const login = { state: random(), verifier: random(), back: location.pathname };
  sessionStorage.setItem(LOGIN, JSON.stringify(login));
  const challenge = base64url(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(login.verifier)));
  const url = new URL((await metadata()).authorization_endpoint);
  url.search = new URLSearchParams({
    response_type: "code", client_id: client, redirect_uri: callback, scope, resource,
    state: login.state, code_challenge: challenge, code_challenge_method: "S256",
  });
  location.assign(url);
}

async function comeBack(answer) {
  const login = JSON.parse(sessionStorage.getItem(LOGIN) ?? "{}");
  sessionStorage.removeItem(LOGIN);
  history.replaceState(null, "", login.back ?? "/reference");
  if (!login.state || answer.get("state") !== login.state || answer.get("iss") !== issuer) return;
  if (answer.has("error")) {
    person.textContent = `You were not logged in: ${answer.get("error")}.`;
    return;
  }
  const form = new URLSearchParams({
    grant_type: "authorization_code", code: answer.get("code"), redirect_uri: callback, client_id: client,
    code_verifier: login.verifier, resource,
  });
  const reply = await fetch((await metadata()).token_endpoint, { method: "POST", body: form });
  const document_ = await reply.json();
  if (reply.ok) sessionStorage.setItem(TOKEN, document_.access_token);
  else person.textContent = `You were not logged in: ${document_.error}.`;
}

function show() {
  const token = sessionStorage.getItem(TOKEN);
  const button = document.getElementById("log-in");
  if (button) button.hidden = token !== null;
  document.getElementById("log-out").hidden = token === null;
  if (token) person.textContent = "You are logged in. The calls you try here are real.";
}

function request(form) {
  const headers = { Accept: "application/json, application/problem+json" };
  const query = new URLSearchParams();
  let path = form.dataset.path;
  for (const input of form.querySelectorAll("input")) {
    if (input.value === "") continue;
    if (input.dataset.in === "path") path = path.replace(`{${input.name}}`, encodeURIComponent(input.value));
    else if (input.dataset.in === "query") query.set(input.name, input.value);
    else headers[input.name] = input.value;
  }
  const token = sessionStorage.getItem(TOKEN);
  if (token) headers.Authorization = `Bearer ${token}`;
  const body = form.querySelector("textarea");
  if (body) headers["Content-Type"] = body.dataset.media;
  const search = query.size ? `?${query}` : "";
  return [`${path}${search}`, { method: form.dataset.method, headers, body: body?.value, cache: "no-store" }];
}

async function send(event) {
  event.preventDefault();
  const output = event.target.querySelector("output");
  try {
    const answer = await fetch(...request(event.target));
    const text = await answer.text();
    const headers = SHOWN.filter((name) => answer.headers.has(name)).map((name) => `${name}: ${answer.headers.get(name)}`);
    const json = (answer.headers.get("content-type") ?? "").includes("json");
    const body = json && text ? JSON.stringify(JSON.parse(text), null, 2) : text;
    output.textContent = [`${answer.status} ${answer.statusText}`.trim(), ...headers, "", body].join("\n");
  } catch (error) {
    output.textContent = `There was no answer: ${error.message}`;
  }
  for (const input of event.target.querySelectorAll("input[name=Idempotency-Key]")) input.value = random();
}

async function start() {
  document.getElementById("log-in")?.addEventListener("click", logIn);
  document.getElementById("log-out").addEventListener("click", () => {
    sessionStorage.removeItem(TOKEN);
    person.textContent = "The token is forgotten.";
    show();
  });
  for (const form of document.querySelectorAll("form.try")) {
    form.addEventListener("submit", send);
    form.querySelector("button").hidden = false;
    for (const input of form.querySelectorAll("input[name=Idempotency-Key]")) input.value = random();
  }
  const answer = new URLSearchParams(location.search);
  if (answer.has("state")) await comeBack(answer);
  show();
}

start();
