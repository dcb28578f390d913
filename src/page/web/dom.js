// Elements. Whatever is shown goes in as text: nothing here takes markup.

const SVG = "http://www.w3.org/2000/svg";

const fill = (element, attributes, children) => {
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (value === undefined || value === null || value === false) continue;
    element.setAttribute(name, value === true ? "" : String(value));
  }
  for (const child of children.flat()) {
    if (child === undefined || child === null || child === false) continue;
    element.append(child instanceof Node ? child : document.createTextNode(String(child)));
  }
  return element;
};

/** An element with attributes and children; texts become text. */
export const el = (tag, attributes, ...children) => fill(document.createElement(tag), attributes, children);

/** The same, of a drawing. */
export const draw = (tag, attributes, ...children) => fill(document.createElementNS(SVG, tag), attributes, children);

export const get = (id) => document.getElementById(id);

/** Sets a text only where it is another, so that nobody is told of what did not change. */
export const say = (element, text) => {
  if (element.textContent !== text) element.textContent = text;
};

/** Makes the children of a list those of `items`, each by its key; what is there already is kept, and so is what is open
 *  or focused in it. `make` makes an element, `same` is what it was made of. */
export const keep = (list, items, keyOf, make) => {
  const there = new Map([...list.children].map((child) => [child.dataset.key, child]));
  let at = list.firstChild;
  for (const item of items) {
    const key = keyOf(item);
    const made = JSON.stringify(item);
    let child = there.get(key);
    there.delete(key);
    if (!child || child.made !== made) {
      const fresh = make(item);
      fresh.dataset.key = key;
      fresh.made = made;
      if (child) {
        if (child === at) at = child.nextSibling;
        child.remove();
      }
      child = fresh;
    }
    if (child === at) at = at.nextSibling;
    else list.insertBefore(child, at);
  }
  for (const gone of there.values()) gone.remove();
};
