// The page itself: its theme, tables that can be sorted and saved, and settlements at other revenues.

const FORMULAS = JSON.parse(document.getElementById("formulas").textContent);
const NEGATIVE = {
  clip: "count as zero",
  formula: "stand as they are",
  exclude: "left out, costs paid back",
  "exclude-unpaid": "left out, costs not paid back",
};
const LOSS = {
  formula: "shared as a profit is",
  in_proportion_to_costs: "shared in proportion to costs",
  equal: "shared equally",
  refuse: "refused",
};

function made(tag, text, attributes = {}) {
  const element = document.createElement(tag);
  element.textContent = text;
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  return element;
}

// What a cell holds in full.
function valueOf(cell) {
  return cell.dataset.value ?? cell.textContent;
}

function isNumber(head) {
  return head.classList.contains("number");
}

// Rows in the order of a column; cells without a number come last.
function sort(table, column, direction) {
  const heads = [...table.tHead.rows[0].cells];
  const number = isNumber(heads[column]);
  const key = (row) => {
    const value = valueOf(row.cells[column]);
    return number ? Number.parseFloat(value) : value;
  };
  const sign = direction === "ascending" ? 1 : -1;
  const order = (one, other) => {
    if (!number) return sign * one.key.localeCompare(other.key, undefined, { numeric: true });
    if (Number.isNaN(one.key) || Number.isNaN(other.key)) return Number.isNaN(one.key) - Number.isNaN(other.key);
    return sign * (one.key - other.key);
  };
  const rows = [...table.tBodies[0].rows].map((row) => ({ row, key: key(row) }));
  table.tBodies[0].append(...rows.sort(order).map(({ row }) => row));
  for (const head of heads) head.removeAttribute("aria-sort");
  heads[column].setAttribute("aria-sort", direction);
}

// Sorts again by the column that the table is sorted by, after its cells changed.
function sortAgain(table) {
  const heads = [...table.tHead.rows[0].cells];
  const column = heads.findIndex((head) => head.hasAttribute("aria-sort"));
  if (column >= 0) sort(table, column, heads[column].getAttribute("aria-sort"));
}

function makeSortable(table) {
  for (const [column, head] of [...table.tHead.rows[0].cells].entries()) {
    const button = made("button", head.textContent, { type: "button" });
    button.addEventListener("click", () => {
      const first = isNumber(head) ? "descending" : "ascending";
      const other = isNumber(head) ? "ascending" : "descending";
      sort(table, column, head.getAttribute("aria-sort") === first ? other : first);
    });
    head.replaceChildren(button);
  }
}

function makeSavable(table) {
  const button = made("button", "CSV", { type: "button", class: "save" });
  button.setAttribute("aria-label", `Save as CSV: ${table.caption.textContent.trim()}`);
  button.addEventListener("click", () => {
    const numbers = [...table.tHead.rows[0].cells].map(isNumber);
    const heads = [...table.tHead.rows[0].cells].map((head) => ({ text: head.textContent, number: false }));
    const rows = [...table.tBodies[0].rows].map((row) =>
      [...row.cells].map((cell, at) => ({ text: valueOf(cell), number: numbers[at] })),
    );
    const file = new Blob([asCsv([heads, ...rows], FORMULAS)], { type: "text/csv;charset=utf-8" });
    const link = made("a", "", { href: URL.createObjectURL(file), download: `${table.dataset.name}.csv` });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  });
  table.parentElement.after(button);
}

// A run settled again whenever a control changes.
function followControls(panel) {
  const key = panel.id.replace(/-what-if$/, "");
  const part = (name) => document.getElementById(`${key}-${name}`);
  const given = JSON.parse(panel.querySelector("script").textContent);
  const record = given.record;
  const game = readGame(record);
  const table = part("elsewhere");
  const slider = part("slider");
  const exactly = part("revenue");
  const read = (text) => typed(text, record.digits, game.unit);
  const shown = (units) => written(units * game.unit, record.digits, record.places);
  const present = read(given.revenue);
  const highest = read(given.highest);
  const before = given.paid.map((text) => wholeOf(text, record.digits));
  let revenue = present;

  function offered() {
    return given.rules.find((rule) => rule.name === part("rule").value);
  }

  function chosenRule() {
    const { name, of } = offered();
    const negative = part("negative").value || "clip";
    return {
      name,
      of,
      negative: negative === "exclude-unpaid" ? "exclude" : negative,
      reimburse: negative !== "exclude-unpaid",
      loss: part("loss").value || "formula",
    };
  }

  function fill(select, names, words, chosen) {
    const kept = names.includes(chosen) ? chosen : names[0];
    select.replaceChildren(...names.map((name) => made("option", words[name] ?? name, { value: name })));
    if (names.length) select.value = kept;
    select.disabled = names.length === 0;
  }

  function offerSettings(negative, loss) {
    const rule = offered();
    fill(part("negative"), rule.negative.concat(rule.reimburse ? ["exclude-unpaid"] : []), NEGATIVE, negative);
    fill(part("loss"), rule.loss, LOSS, loss);
    part("says").textContent = rule.says;
  }

  const rows = record.players.map((name, at) => {
    const row = made("tr", "");
    row.append(made("th", name, { scope: "row" }));
    for (let column = 0; column < 4; column++) row.append(made("td", "", { class: "number" }));
    setAmount(row.cells[1], game.costs[at]);
    return row;
  });
  table.tBodies[0].append(...rows);

  function setAmount(cell, amount) {
    cell.textContent = amount === null ? "–" : written(amount, record.digits, record.places);
    cell.dataset.value = amount === null ? "" : inFull(amount, record.digits, record.places);
  }

  function setRow(row, cost, payment, earlier) {
    setAmount(row.cells[1], cost);
    setAmount(row.cells[2], payment);
    setAmount(row.cells[3], payment === null ? null : payment - cost);
    setAmount(row.cells[4], payment === null || earlier === undefined ? null : payment - earlier);
  }

  function footRow(name, cost, payment, earlier) {
    const row = made("tr", "");
    row.append(made("th", name, { scope: "row" }));
    for (let column = 0; column < 4; column++) row.append(made("td", "", { class: "number" }));
    setRow(row, cost, payment, earlier);
    return row;
  }

  function show() {
    let payments = null;
    let kept = null;
    try {
      const settled = settle(game, chosenRule(), revenue);
      payments = settled.payments.map((units) => units * game.unit);
      kept = settled.permanent;
      const loss = sum(game.costs) + (game.permanent?.cost ?? 0n) - revenue * game.unit;
      let said = `Of ${shown(revenue)} the members are paid ${written(sum(payments), record.digits, record.places)}.`;
      if (loss > 0n) said += ` The costs exceed the revenue by ${written(loss, record.digits, record.places)}.`;
      part("status").textContent = said;
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      part("status").textContent = `No payment: ${error.message}`;
    }
    rows.forEach((row, at) => setRow(row, game.costs[at], payments?.[at] ?? null, before[at]));
    const foot = [footRow("together", sum(game.costs), payments && sum(payments), before.length ? sum(before) : undefined)];
    if (kept !== null) {
      foot.push(footRow(`${record.permanent.name} (in all coalitions)`, game.permanent.cost, kept * game.unit, undefined));
    }
    table.tFoot.replaceChildren(...foot);
    slider.setAttribute("aria-valuetext", shown(revenue));
    sortAgain(table);
  }

  function setRevenue(units) {
    revenue = units;
    exactly.value = shown(units);
    exactly.removeAttribute("aria-invalid");
    show();
  }

  function reset() {
    part("rule").value = given.chosen.name;
    const negative = given.chosen.reimburse ? given.chosen.negative : "exclude-unpaid";
    offerSettings(negative, given.chosen.loss);
    slider.value = Number((present * 1000n) / highest);
    setRevenue(present);
  }

  slider.addEventListener("input", () => setRevenue((highest * BigInt(slider.value)) / 1000n));
  exactly.addEventListener("input", () => {
    const units = read(exactly.value);
    exactly.setAttribute("aria-invalid", String(units === null));
    if (units === null) {
      part("status").textContent = `Not an amount of whole ${written(game.unit, record.digits, record.places)}: ${exactly.value}`;
      return;
    }
    revenue = units;
    const step = (units * 1000n) / highest;
    slider.value = Number(step > 1000n ? 1000n : step);
    show();
  });
  part("rule").addEventListener("change", () => {
    offerSettings(part("negative").value, part("loss").value);
    show();
  });
  for (const name of ["negative", "loss"]) part(name).addEventListener("change", show);
  part("reset").addEventListener("click", reset);
  reset();
  panel.hidden = false;
}

// A decimal text of either sign as a whole number of 1 / 10^digits.
function wholeOf(text, digits) {
  const [front, places = ""] = text.replace("-", "").split(".");
  const size = BigInt(front + places.padEnd(digits, "0"));
  return text.startsWith("-") ? -size : size;
}

document.getElementById("theme").addEventListener("change", (event) => {
  document.documentElement.dataset.theme = event.target.value;
});
for (const panel of document.querySelectorAll(".what-if")) followControls(panel);
for (const table of document.querySelectorAll("table")) {
  makeSortable(table);
  makeSavable(table);
}
// all of a page is printed
addEventListener("beforeprint", () => {
  for (const one of document.querySelectorAll("details")) one.open = true;
});
