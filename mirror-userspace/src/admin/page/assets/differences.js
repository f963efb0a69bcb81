// What differs between the replies of v1 and v2: which fields, how often, and, on podmirror's own machine, examples.

import { at, each, html, say, set } from "./dom.js";
import { number, percent } from "./format.js";
import { differs } from "./routes.js";

const FIELDS = 12;
const EXAMPLES = 8; // requests
const VALUES = 4; // of each
const PAUSE = 2000; // ms between two looks

let told = null;
let trouble = "";
let asked = -1;
let next = 0;

const clock = (seconds) => new Date(seconds * 1000).toISOString().slice(11, 19);

const ask = async (compared) => {
  if (compared === asked || Date.now() < next) return;
  [asked, next] = [compared, Date.now() + PAUSE];
  try {
    const reply = await fetch("differences");
    trouble = reply.ok ? "" : (await reply.text()).trim();
    told = reply.ok ? await reply.json() : null;
    // A gateway or an agent that fails may do better next time. What many agents told, which are not asked by each
    // browser, may be without the newest.
    if (reply.status >= 500 || told?.old) asked = -1;
  } catch {
    asked = -1;
  }
};

const often = (field) => {
  const parts = [`in ${percent(field.differs)} of replies`];
  if (field.missing > 0) parts.push(`${percent(field.missing)} lack it`);
  if (field.added > 0) parts.push(`${percent(field.added)} alone have it`);
  parts.push(field.by_itself === null ? "how often by itself is not known" : `${percent(field.by_itself)} by itself`);
  return parts.join(", ");
};

const fieldItem = ({ group, field }) =>
  html("li", {}, html("h3", {}, html("span", {}, field), " ", html("span", { class: "badge" })), html("p"), html("p", { class: "soft" }, group ?? "all requests"));

/** Of a field that differs in a group, what is said of all requests is no news. */
const named = (fields) => {
  const grouped = new Set(fields.filter(({ group }) => group).map(({ field }) => field));
  return fields.filter(({ group, field }) => group || !grouped.has(field));
};

const value = (text) => (text === null ? html("em", {}, "nothing") : html("code", {}, text));

/** Those that are the same but for their time are told once, with the time of the newest. */
const distinct = (all) => {
  const found = new Map();
  for (const it of all) {
    const key = JSON.stringify([it.request, it.values]);
    const known = found.get(key);
    if (known) known.times += 1;
    else found.set(key, { ...it, key, times: 1 });
  }
  return [...found.values()];
};

const example = ({ request, values, more }) => {
  const title = html("h3", {}, html("code", {}, request), html("span", { class: "count" }));
  const rows = values.slice(0, VALUES).map(({ field, baseline, candidate }) =>
    html("p", {}, `${field}: `, value(baseline), " at v1, ", value(candidate), " at v2"),
  );
  const rest = values.length - Math.min(VALUES, values.length) + more;
  if (rest > 0) rows.push(html("p", { class: "soft" }, `and ${number(rest)} other fields`));
  return html("li", {}, title, ...rows);
};

const show = (rule, report) => {
  const fields = named(report.fields);
  each(at("fields"), fields.slice(0, FIELDS), ({ group, field }) => `${group} ${field}`, fieldItem, (item, field) => {
    const mark = item.firstElementChild.lastElementChild;
    say(mark, differs(field) ? "differs" : "maybe by itself");
    set(mark, "class", `badge ${differs(field) ? "bad" : ""}`);
    say(item.children[1], often(field));
    set(item, "class", differs(field) ? "bad" : "");
  });
  const { compared } = report.contents;
  const others = fields.length > FIELDS ? ` ${number(fields.length - FIELDS)} more fields differ less surely.` : "";
  const none = compared ? "No field of them differs." : "None was compared yet.";
  say(at("fields-note"), `${number(compared)} replies compared field by field. ${fields.length ? `The surest first.${others}` : none}`);
  const examples = distinct((told?.differences ?? []).filter((it) => it.rule === rule));
  each(at("examples"), examples.slice(0, EXAMPLES), ({ key }) => key, example, (item, { at: when, times, node }) => {
    const last = node ? `${clock(when)} on ${node}` : clock(when);
    say(item.querySelector(".count"), times > 1 ? `${number(times)} kept, the last ${last}` : last);
  });
  const kept = examples.length ? "The newest first, times in UTC." : "None is kept: --keep-differences 20 keeps some, with their values.";
  say(at("examples-note"), trouble || told?.trouble || kept);
};

/** Shows them, and looks again if more was compared than before. */
export const differences = async (now) => {
  const report = now.rule.ledger.verdict;
  at("differing").hidden = !report;
  if (!report) return;
  if (report.compared < asked) told = null;
  show(now.rule.rule, report);
  await ask(report.compared);
};
