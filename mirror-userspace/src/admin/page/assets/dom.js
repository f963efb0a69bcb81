// Elements and texts, without markup: what comes from elsewhere can only ever become text.

const SVG = "http://www.w3.org/2000/svg";

const fill = (element, attributes, children) => {
  for (const [name, value] of Object.entries(attributes ?? {})) element.setAttribute(name, value);
  element.append(...children);
  return element;
};

export const html = (tag, attributes, ...children) => fill(document.createElement(tag), attributes, children);

export const svg = (tag, attributes, ...children) => fill(document.createElementNS(SVG, tag), attributes, children);

export const at = (id) => document.getElementById(id);

/** Sets a text, unless it is there: what does not change is not announced, selected or painted anew. */
export const say = (element, text) => {
  if (element.textContent !== text) element.textContent = text;
};

export const set = (element, name, value) => {
  if (element.getAttribute(name) !== value) element.setAttribute(name, value);
};

/** Text in which `code` stands between back-ticks. */
export const prose = (text) =>
  text
    .replace(/\[([^\]]+)\]\([^)]*\)/g, "$1")
    .split("`")
    .map((part, index) => (index % 2 ? html("code", {}, part) : part));

/** One child for each item, in order, also where two have one key; those that stay are kept, with the focus that they may have. */
export const each = (parent, items, key, make, update) => {
  const old = new Map([...parent.children].map((child) => [child.dataset.key, child]));
  let before = null;
  for (const item of items) {
    const name = key(item);
    let child = old.get(name);
    if (child) {
      old.delete(name);
    } else {
      child = make(item);
      child.dataset.key = name;
    }
    const place = before ? before.nextElementSibling : parent.firstElementChild;
    if (place !== child) parent.insertBefore(child, place);
    update(child, item);
    before = child;
  }
  const rest = () => (before ? before.nextElementSibling : parent.firstElementChild);
  while (rest()) rest().remove();
};
