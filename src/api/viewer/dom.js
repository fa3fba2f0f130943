// Elements out of names, attributes and children. What comes from a server is put in as text: nothing here reads HTML.

const SVG = "http://www.w3.org/2000/svg";

/** An element: `class`, `text` and `on` ({click: ..}) have their meaning, all else is an attribute; false and null leave it out. */
export function el(name, attributes = {}, ...children) {
  return made(document.createElement(name), attributes, children);
}

/** The same of a drawing. */
export function svg(name, attributes = {}, ...children) {
  return made(document.createElementNS(SVG, name), attributes, children);
}

function made(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === false || value === null || value === undefined) continue;
    if (name === "text") element.textContent = value;
    else if (name === "on") Object.entries(value).forEach(([event, heard]) => element.addEventListener(event, heard));
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

/** Sets a text, and leaves alone what says that already: selections stay, and nothing is read out twice. */
export function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** Shows or hides. */
export function show(element, shown) {
  if (element.hidden === shown) element.hidden = !shown;
}

/** Puts these children in, and moves none that stands where it should: the focus stays where it is. */
export function arrange(parent, children) {
  let place = parent.firstChild;
  for (const child of children) {
    if (child === place) place = place.nextSibling;
    else parent.insertBefore(child, place);
  }
  while (place) {
    const next = place.nextSibling;
    place.remove();
    place = next;
  }
}

/** Says something to those who hear the page. */
export function announce(text) {
  say(document.getElementById("announcer"), text);
}
