/**
 * What the views do with the document. Texts are only ever set as text, so nothing that
 * a configuration says can become markup, and only what has changed is touched.
 */

const SVG = "http://www.w3.org/2000/svg";

/**
 * The element with this id, which the page has.
 * @param {string} id
 * @returns {HTMLElement}
 */
export function byId(id) {
  const element = document.getElementById(id);
  if (element === null) throw new Error(`the page has no #${id}`);
  return element;
}

/**
 * An element with a class and children.
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {string} [className]
 * @param {...(Node | string)} children
 * @returns {HTMLElementTagNameMap[Tag]}
 */
export function make(tag, className = "", ...children) {
  const element = document.createElement(tag);
  if (className !== "") element.className = className;
  element.append(...children);
  return element;
}

/**
 * Sets a text where it is another one.
 * @param {Element} element
 * @param {string} text
 */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/**
 * Sets an attribute where it is another one.
 * @param {Element} element
 * @param {string} name
 * @param {string} value
 */
export function setAttribute(element, name, value) {
  if (element.getAttribute(name) !== value) element.setAttribute(name, value);
}

/**
 * Shows an element, or does not.
 * @param {HTMLElement} element
 * @param {boolean} shown
 */
export function show(element, shown) {
  if (element.hidden === shown) element.hidden = !shown;
}

/**
 * An element of SVG.
 * @param {string} tag
 * @param {Readonly<Record<string, string>>} attributes
 * @returns {SVGElement}
 */
export function svg(tag, attributes) {
  const element = /** @type {SVGElement} */ (document.createElementNS(SVG, tag));
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  return element;
}

/** @typedef {"ok" | "info" | "warning" | "error" | "wait" | "none"} Mark */

/**
 * A word with a shape before it, so that no state is told by its colour alone.
 * @returns {{ readonly element: HTMLElement, set(mark: Mark, text: string): void }}
 */
export function makeState() {
  const use = svg("use", { href: "#icon-none" });
  const shape = svg("svg", { class: "icon", "aria-hidden": "true", focusable: "false" });
  shape.append(use);
  const word = make("span");
  const element = make("span", "state", shape, word);
  return {
    element,
    set(mark, text) {
      setAttribute(element, "data-mark", mark);
      setAttribute(use, "href", `#icon-${mark}`);
      setText(word, text);
    },
  };
}

/**
 * Keeps the children of `parent` in step with `items`: one element for each, by its key,
 * in their order. Elements stay for as long as their key does.
 * @template Item
 * @template {{ readonly element: HTMLElement }} Row
 * @param {HTMLElement} parent
 * @param {(item: Item) => Row} create
 * @param {(row: Row, item: Item) => void} update
 * @returns {(items: readonly Item[], keyOf: (item: Item) => string | number) => void}
 */
export function keyedRows(parent, create, update) {
  /** @type {Map<string | number, Row>} */
  let rows = new Map();
  return (items, keyOf) => {
    /** @type {Map<string | number, Row>} */
    const next = new Map();
    /** @type {Element | null} */
    let place = parent.firstElementChild;
    for (const item of items) {
      const key = keyOf(item);
      const row = next.get(key) ?? rows.get(key) ?? create(item);
      next.set(key, row);
      update(row, item);
      if (row.element === place) place = place.nextElementSibling;
      else parent.insertBefore(row.element, place);
    }
    for (const [key, row] of rows) if (!next.has(key)) row.element.remove();
    rows = next;
  };
}

/**
 * A cell that names its column, for screens on which a row is a card.
 * @param {string} label
 * @param {...(Node | string)} children
 */
export function makeCell(label, ...children) {
  const cell = make("td", "", ...children);
  cell.dataset["label"] = label;
  return cell;
}
