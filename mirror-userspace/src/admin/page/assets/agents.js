// Which agents the books are the sum of, where they are of a whole cluster: what is mirrored on which node, and who is silent.

import { at, each, html, say, set } from "./dom.js";
import { span } from "./books.js";
import { many, number, percent, perSecond, time } from "./format.js";

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
  const of = ({ books }) => {
    const told = books.agents?.find((it) => it.agent === agent.agent);
    const rule = told?.rules.find((it) => it.rule === name);
    return rule && { at: told.told_at, rule };
  };
  const last = history.last;
  const now = of(last);
  if (!now) return ["–", "–", "–", "–", "–"];
  const { agents_turn_seconds: turn } = last.books;
  // Where agents are asked by turns, the answer before the last one is a turn older.
  const since = last.at - span(last.books) - (turn > 1 ? turn : 0) - 0.5;
  const then = of(history.told.find((it) => it.at >= since && of(it)) ?? last);
  const rate = (pick) => (now.at > then.at ? Math.max(0, pick(now.rule) - pick(then.rule)) / (now.at - then.at) : 0);
  const rates = [({ sent }) => sent, ({ lost }) => lost].map((pick) => perSecond(rate(pick)));
  return [number(now.rule.attachments), sample(now.rule), ...rates, time(now.rule.lag_p99_seconds || null)];
};

export const agents = (history, rule) => {
  const { agents, agents_omitted: omitted, agents_turn_seconds: turn, agents_oldest_seconds: oldest } = history.last.books;
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
  const others = omitted ? `And ${many(omitted, "other agent")}, counted in all sums.` : "";
  // 32 of them each second.
  const turns = turn > 1 ? `They are asked by turns, each every ${number(turn)} s: the oldest counts are ${number(oldest ?? 0)} s old.` : "";
  say(at("nodes-note"), `${others} ${turns}`.trim());
};
