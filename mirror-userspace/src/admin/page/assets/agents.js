// Which agents the books are the sum of, where they are of a whole cluster: what is mirrored on which node, and who is silent.

import { at, each, html, say, set } from "./dom.js";
import { many, number, percent, perSecond, time } from "./format.js";

const WINDOW = 5; // seconds of which rates are

/** Whose counts are in the sum, as one text: also those that are not listed. */
export const counted = ({ agents_counted }) => agents_counted ?? "";

/** How many of them answer; nothing, if the books are one podmirror's own. */
export const answering = ({ agents, agents_omitted }) => {
  if (!agents) return "";
  const all = agents.length + agents_omitted;
  const silent = agents.filter(({ trouble }) => trouble !== null).length;
  return silent ? `live: ${number(all - silent)} of ${many(all, "agent")} answer` : `live: ${many(all, "agent")}`;
};

/** What is said of an agent that does not answer. */
const silence = ({ trouble, age_seconds }) => {
  const known = age_seconds === null ? "it is not counted" : `its counts are ${number(age_seconds)} s old`;
  return `no answer, ${known}: ${trouble}`;
};

const columns = ["n", "n", "n", "n", "n"];

const row = ({ node, agent }) => {
  const name = html("td", {}, html("span", { title: agent }, node), html("p", { class: "soft" }));
  return html("tr", {}, name, ...columns.map((kind) => html("td", { class: kind })));
};

const sample = ({ sample_ratio: most, sample_ratio_least: least }) => (least < most ? `${percent(least)} to ${percent(most)}` : percent(most));

/** The figures of a rule on an agent, now and at the beginning of the window. */
const figures = (history, name, agent) => {
  const of = ({ books }) => books.agents?.find((it) => it.agent === agent.agent)?.rules.find(({ rule }) => rule === name);
  const last = history.last;
  const now = of(last);
  if (!now) return ["–", "–", "–", "–", "–"];
  const then = history.told.find((it) => it.at >= last.at - WINDOW - 0.5 && of(it)) ?? last;
  const rate = (pick) => (last.at > then.at ? Math.max(0, pick(now) - pick(of(then))) / (last.at - then.at) : 0);
  const rates = [({ sent }) => sent, ({ lost }) => lost].map((pick) => perSecond(rate(pick)));
  return [number(now.attachments), sample(now), ...rates, time(now.lag_p99_seconds || null)];
};

export const agents = (history, rule) => {
  const { agents, agents_omitted: omitted } = history.last.books;
  at("nodes").hidden = !agents;
  if (!agents) return;
  const silent = agents.filter(({ trouble }) => trouble !== null);
  const title = silent.length ? `${number(silent.length)} silent` : "all answer";
  say(at("nodes-badge"), title);
  set(at("nodes-badge"), "class", `badge ${silent.length ? "bad" : "good"}`);
  each(at("agents"), agents, ({ agent }) => agent, row, (item, agent) => {
    const [name, ...cells] = item.children;
    say(name.lastElementChild, agent.trouble === null ? "" : silence(agent));
    set(item, "class", agent.trouble === null ? "" : "old");
    const texts = figures(history, rule, agent);
    cells.forEach((cell, index) => say(cell, texts[index]));
  });
  say(at("nodes-note"), omitted ? `And ${many(omitted, "other agent")}, counted in all sums.` : "");
};
