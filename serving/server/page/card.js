// Shows the model card. All texts are set as text, never as HTML.

const made = (name, properties, ...children) => {
  const element = Object.assign(document.createElement(name), properties);
  element.append(...children);
  return element;
};

// Replaces the content of an element by the sections of a card.
export function showCard(element, sections) {
  element.replaceChildren(...sections.flatMap(({ title, lines, table }, number) => {
    const heading = made("h3", { id: `card${number}`, textContent: title });
    const texts = lines.length > 1
      ? [made("ul", {}, ...lines.map((line) => made("li", { textContent: line })))]
      : lines.map((line) => made("p", { textContent: line }));
    return [heading, ...texts, ...(table.length ? [tableOf(table, heading.id)] : [])];
  }));
}

function tableOf([head, ...rows], label) {
  const titles = made("tr", {}, ...head.map((cell) => made("th", { scope: "col", textContent: cell })));
  const lines = rows.map(([first, ...cells]) => made("tr", {},
    made("th", { scope: "row", textContent: first }), ...cells.map((cell) => made("td", { textContent: cell }))));
  const table = made("table", {}, made("thead", {}, titles), made("tbody", {}, ...lines));
  // Wide tables scroll; with a tab stop, by the keyboard as well.
  const wide = made("div", { className: "wide", tabIndex: 0, role: "group" }, table);
  wide.setAttribute("aria-labelledby", label);
  return wide;
}
