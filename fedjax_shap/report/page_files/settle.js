"use strict";
// Payments as the package's `settle` makes them: whole numbers of any size, and no floats.
//
// Amounts are whole numbers of the smallest unit in which all amounts of a run are whole. Values are whole numbers in
// one common proportion: only their ratios matter.

class Refusal extends Error {}

function sum(numbers) {
  return numbers.reduce((all, one) => all + one, 0n);
}

function larger(one, other) {
  return one > other ? one : other;
}

function smaller(one, other) {
  return one < other ? one : other;
}

// a / b towards minus infinity, for b > 0.
function floorDivided(a, b) {
  const quotient = a / b;
  return a % b < 0n ? quotient - 1n : quotient;
}

// How values above, at and below zero weigh under a policy for negative values.
function valueWeights(values, negative) {
  let weights = values;
  if (negative !== "formula") weights = values.map((value) => larger(value, 0n));
  const total = sum(weights);
  const magnitude = sum(weights.map((weight) => (weight < 0n ? -weight : weight)));
  // values that cancel down to rounding error
  if (total * 10n ** 12n <= magnitude) {
    throw new Refusal("Nothing can be divided by these values: those that count do not sum to more than zero.");
  }
  return weights;
}

// Each rule: claims -> bases, weights of the pool, and the pool.
const DIVISIONS = {
  equal: (claims) => shared(claims, claims.costs.map(() => 1n)),
  by_size: (claims) => shared(claims, claims.sizes),
  costs_ignored: (claims, rule) => shared(claims, valueWeights(claims.values, rule.negative)),
  costs_only: (claims, rule) => {
    if (rule.loss === "refuse") requireCovered(claims);
    const pool = claims.revenue - sum(claims.costs);
    const everyone = claims.costs.map(() => true);
    if (pool < 0n && rule.loss !== "formula") return lossByCosts(claims, claims.costs, rule.loss, everyone);
    return { bases: claims.costs, weights: claims.costs.map(() => 1n), pool };
  },
  cost_aware: costsFirst,
  leave_one_out: costsFirst,
  banzhaf: costsFirst,
  least_core: costsFirst,
};

function shared(claims, weights) {
  if (sum(weights) === 0n) throw new Refusal("The rule divides by examples, but nobody has any.");
  return { bases: claims.costs.map(() => 0n), weights, pool: claims.revenue };
}

function costsFirst(claims, rule) {
  if (rule.loss === "refuse") requireCovered(claims);
  // costs come back to everyone, or to those whose value is not negative
  const kept = claims.values.map((value) => rule.reimburse || value >= 0n);
  const bases = claims.costs.map((cost, at) => (kept[at] ? cost : 0n));
  const pool = claims.revenue - sum(bases);
  if (pool < 0n && rule.loss !== "formula") return lossByCosts(claims, bases, rule.loss, kept);
  const weights = valueWeights(claims.values, rule.negative);
  if (rule.loss === "refuse") {
    const total = sum(weights);
    const short = claims.costs.some((cost, at) => bases[at] * total + weights[at] * pool < cost * total);
    if (short) throw new Refusal("Someone would be paid less than its cost, which this policy refuses.");
  }
  return { bases, weights, pool };
}

function lossByCosts(claims, bases, loss, kept) {
  let weights = kept.map((keeps) => (keeps ? 1n : 0n));
  if (loss === "in_proportion_to_costs") weights = bases;
  return { bases, weights, pool: claims.revenue - sum(bases) };
}

function requireCovered(claims) {
  if (claims.revenue < sum(claims.costs)) {
    throw new Refusal("The revenue does not cover the costs, which this policy refuses.");
  }
}

// What a permanent member leaves to the players, in minor units.
function leftToPlayers(game, revenue) {
  const permanent = game.permanent;
  if (permanent === null) return revenue;
  const spare = revenue * game.unit - permanent.cost;
  if (spare < 0n) throw new Refusal("The revenue does not cover the cost of the member that is in every coalition.");
  const costs = sum(game.costs);
  const profit = larger(spare - costs, 0n);
  // what it keeps is a fraction kept / of
  let kept = profit * permanent.part;
  if (permanent.most !== null) kept = smaller(permanent.most, profit) * permanent.of;
  const forCosts = smaller(-floorDivided(-costs, game.unit), floorDivided(spare, game.unit));
  return larger(floorDivided(spare * permanent.of - kept, permanent.of * game.unit), forCosts);
}

// Amounts n[i] / by rounded to whole numbers by the largest remainder.
function largestRemainder(amounts, by, whole, before) {
  const rounded = amounts.map((amount) => floorDivided(amount, by));
  const rest = amounts.map((amount, at) => amount - rounded[at] * by);
  const order = amounts.map((_, at) => at);
  order.sort((one, other) => compared(rest[other], rest[one]) || before(one, other));
  const left = Number(whole - sum(rounded));
  for (const at of order.slice(0, left)) rounded[at] += 1n;
  return rounded;
}

function compared(one, other) {
  if (one < other) return -1;
  return one > other ? 1 : 0;
}

// Payments in minor units, of a revenue in minor units: { payments, permanent }, the latter null without one.
function settle(game, rule, revenue) {
  const left = leftToPlayers(game, revenue);
  const values = game.values[rule.of];
  const claims = { values, costs: game.used, sizes: game.sizes, revenue: left * game.unit };
  const { bases, weights, pool } = DIVISIONS[rule.name](claims, rule);
  const total = sum(weights);
  const owed = bases.map((base, at) => base * total + weights[at] * pool);
  // equal remainders: larger payment, larger value, larger cost, name
  const before = (one, other) =>
    compared(owed[other], owed[one]) ||
    compared(values[other], values[one]) ||
    compared(game.costs[other], game.costs[one]) ||
    game.order[one] - game.order[other];
  const payments = largestRemainder(owed, total * game.unit, left, before);
  return { payments, permanent: game.permanent === null ? null : revenue - left };
}

// The whole numbers that JSON has as text.
function readGame(record) {
  const read = (column) => column.map(BigInt);
  let permanent = record.permanent;
  if (permanent !== null) {
    permanent = {
      cost: BigInt(permanent.cost),
      most: permanent.most === null ? null : BigInt(permanent.most),
      part: BigInt(permanent.part),
      of: BigInt(permanent.of),
    };
  }
  const values = Object.fromEntries(Object.entries(record.values).map(([of, column]) => [of, read(column)]));
  const amounts = { unit: BigInt(record.unit), costs: read(record.costs), used: read(record.used) };
  return { ...amounts, values, sizes: read(record.sizes), order: record.order, permanent };
}

// A whole number of 1 / 10^digits as plain text with so many places, half to even where that rounds.
function written(amount, digits, places) {
  const cut = 10n ** BigInt(Math.max(digits - places, 0));
  const longer = 10n ** BigInt(Math.max(places - digits, 0));
  const size = amount < 0n ? -amount : amount;
  let whole = (size / cut) * longer;
  const twice = 2n * (size % cut);
  if (twice > cut || (twice === cut && whole % 2n === 1n)) whole += 1n;
  const text = whole.toString().padStart(places + 1, "0");
  const sign = amount < 0n && whole !== 0n ? "-" : "";
  const front = text.slice(0, text.length - places).replace(/\B(?=(\d{3})+$)/g, ",");
  return sign + front + (places ? "." + text.slice(text.length - places) : "");
}

// An amount without separators, with all its decimals, and at least so many places.
function inFull(amount, digits, places) {
  const text = written(amount, digits, Math.max(digits, places)).replaceAll(",", "");
  const point = text.indexOf(".");
  const least = point + (places ? places + 1 : 0);
  return point < 0 ? text : text.slice(0, least) + text.slice(least).replace(/\.?0+$/, "");
}

// An amount as people type it, in minor units; null where it is none, or no whole number of minor units.
function typed(text, digits, unit) {
  const match = /^(\d{1,40})(?:\.(\d{0,40}))?$/.exec(text.trim().replaceAll(",", ""));
  if (match === null) return null;
  const places = match[2] ?? "";
  const fine = BigInt(match[1] + places.padEnd(digits, "0"));
  const scale = 10n ** BigInt(Math.max(places.length - digits, 0));
  return fine % (unit * scale) === 0n ? fine / (unit * scale) : null;
}

// Rows of cells { text, number } as CSV. Numbers stay as they are; no other text begins as a spreadsheet's formula does.
function asCsv(rows, formulas) {
  const cell = ({ text, number }) => {
    const plain = number && /^-?\d*\.?\d+(e[+-]?\d+)?$/i.test(text);
    const shown = !plain && formulas.some((start) => text.startsWith(start)) ? `'${text}` : text;
    return /[",\r\n]/.test(shown) ? `"${shown.replaceAll('"', '""')}"` : shown;
  };
  return rows.map((row) => row.map(cell).join(",") + "\r\n").join("");
}
