// How hard a new password is to guess, told while it is typed. A hint only: what is accepted is decided by the server, with or without this script.

const meter = document.querySelector("[data-strength]");
const field = document.querySelector("input[autocomplete=new-password]");
const words = meter.dataset.words.split("|");
const POOLS = [[/\p{Ll}/u, 26], [/\p{Lu}/u, 26], [/\p{N}/u, 10], [/[^\p{L}\p{N}]/u, 20], [/[^\0-\x7f]/, 60]];
const ROWS = ["abcdefghijklmnopqrstuvwxyz", "qwertyuiopasdfghjklzxcvbnm", "01234567890"];

// Names stand in other fields of the form, and are the first that a guesser tries.
function names() {
  const others = [...field.form.querySelectorAll("input[type=email], input:not([type])")];
  return others.flatMap((one) => one.value.toLowerCase().split(/[^\p{L}\p{N}]+/u)).filter((word) => word.length > 3);
}

function withoutNames(text) {
  return names().reduce((rest, word) => rest.replaceAll(word, ""), text.toLowerCase());
}

// A character that follows from those before it tells a guesser next to nothing.
function follows(text, at) {
  const pair = text.slice(at - 1, at + 1);
  const turned = [...pair].reverse().join("");
  return at > 0 && (pair[0] === pair[1] || ROWS.some((row) => row.includes(pair) || row.includes(turned)) || text.indexOf(text.slice(at - 2, at + 1)) < at - 2);
}

function bits(text) {
  const pool = POOLS.reduce((sum, [kind, size]) => sum + (kind.test(text) ? size : 0), 0);
  const weight = [...Array(text.length).keys()].reduce((sum, at) => sum + (follows(text, at) ? .1 : 1), 0);
  return weight * Math.log2(Math.max(pool, 2)) * .6; // people choose words, not dice
}

function level(text) {
  if ([...text].length < Number(meter.dataset.min)) {
    return 0;
  }
  return 1 + [35, 48, 64].filter((least) => bits(text) >= least).length;
}

function show() {
  const rest = withoutNames(field.value);
  const own = rest.length < 8 && field.value.length >= Number(meter.dataset.min);
  const found = own ? 1 : level(field.value);
  meter.hidden = field.value === "";
  meter.dataset.level = found;
  meter.querySelector("[role=status]").textContent = own ? meter.dataset.own : words[found];
}

field.addEventListener("input", show);
