"""What every page owes the person in front of it, measured in the page itself."""

from __future__ import annotations

from typing import Any

from playwright.sync_api import Page

MIN_TARGET = 24
MIN_CONTRAST = 4.5

_FACTS = """() => {
  const shown = (node) => node.checkVisibility() && node.getBoundingClientRect().width > 0;
  const all = (selector) => [...document.querySelectorAll(selector)].filter(shown);
  const name = (node) => node.outerHTML.slice(0, 90);
  const inline = (node) => node.tagName === 'A' && !node.classList.contains('button');
  const small = (node) => { const box = node.getBoundingClientRect(); return box.height < %(target)s || box.width < %(target)s };
  const described = (node) => (node.getAttribute('aria-describedby') || '').split(' ').filter(Boolean);
  return {
    title: document.title,
    language: document.documentElement.lang,
    viewport: Boolean(document.querySelector('meta[name=viewport]')),
    headings: all('h1').length,
    mains: all('main').length,
    unlabelled: all('input, select, textarea').filter((node) => !node.labels.length).map(name),
    unnamed: all('button, a').filter((node) => !node.innerText.trim()).map(name),
    dangling: all('[aria-describedby]').filter((node) => !described(node).every((id) => document.getElementById(id))).map(name),
    repeated: [...document.querySelectorAll('[id]')].map((node) => node.id).filter((id, at, ids) => ids.indexOf(id) !== at),
    small: all('button, input, select, a').filter((node) => !inline(node) && small(node)).map(name),
    wide: document.documentElement.scrollWidth - document.documentElement.clientWidth,
    scripts: document.scripts.length,
    styled: document.styleSheets.length > 0 && !document.querySelector('[style], style'),
  };
}"""

_CONTRASTS = """() => {
  const canvas = document.createElement('canvas').getContext('2d', {willReadFrequently: true});
  const rgba = (color) => {
    canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = color; canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data];
  };
  const ground = (node) => {
    for (let at = node; at; at = at.parentElement) {
      const found = rgba(getComputedStyle(at).backgroundColor);
      if (found[3] > 250) return found;
    }
    return rgba('Canvas');
  };
  const light = (color) => {
    const [r, g, b] = color.map((part) => part / 255).map((part) => part <= .04045 ? part / 12.92 : ((part + .055) / 1.055) ** 2.4);
    return .2126 * r + .7152 * g + .0722 * b;
  };
  const ratio = (one, other) => { const [low, high] = [light(one), light(other)].sort((a, b) => a - b); return (high + .05) / (low + .05) };
  const texts = [...document.querySelectorAll('body *')].filter((node) =>
    node.checkVisibility() && [...node.childNodes].some((child) => child.nodeType === 3 && child.data.trim()));
  return texts.map((node) => [ratio(rgba(getComputedStyle(node).color), ground(node)), node.outerHTML.slice(0, 90)]);
}"""


def facts(page: Page) -> dict[str, Any]:
    """Everything that can be counted about a page at once."""
    found: dict[str, Any] = page.evaluate(_FACTS % {"target": MIN_TARGET})
    found["pale"] = [text for ratio, text in page.evaluate(_CONTRASTS) if ratio < MIN_CONTRAST]
    return found


def tab_stops(page: Page) -> list[str]:
    """What Tab reaches, in order, from the top of the page until it leaves it; by id, name or text."""
    describe = """() => {
      const node = document.activeElement;
      return node === document.body ? null : node.id || node.name || node.innerText;
    }"""
    page.evaluate(
        "() => { document.body.tabIndex = -1; document.body.focus(); document.body.removeAttribute('tabindex') }"
    )
    stops: list[str] = []
    for _ in range(40):
        page.keyboard.press("Tab")
        stop = page.evaluate(describe)
        if stop is None or stop in stops:
            break
        stops.append(stop)
    return stops
