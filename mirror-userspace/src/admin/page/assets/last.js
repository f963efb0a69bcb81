// The last losses, one by one: for browsers on podmirror's own machine, which may know whose requests they were.

import { at, each, html, prose, say } from "./dom.js";
import { number } from "./format.js";

const SHOWN = 50;
const PAUSE = 1000; // ms between two looks

let told = null;
let trouble = "";
let asked = -1;
let next = 0;

const clock = (seconds) => new Date(seconds * 1000).toISOString().slice(11, 23);

const ask = async (lost) => {
  if (lost === asked || Date.now() < next) return false;
  [asked, next] = [lost, Date.now() + PAUSE];
  try {
    const reply = await fetch("lost");
    trouble = reply.ok ? "" : (await reply.text()).trim();
    told = reply.ok ? await reply.json() : null;
    // A gateway or an agent that fails may do better next time. What many agents told, which are not asked by each
    // browser, may be without the newest.
    if (reply.status >= 500 || told?.old) asked = -1;
  } catch {
    asked = -1;
  }
  return true;
};

const facts = (loss) => {
  const lines = loss.segments.map(({ at: then, from, seq, len, flags }) => `${(then - loss.at).toFixed(3)} s  ${from}  seq ${seq}  len ${len}  ${flags}`);
  const parts = [];
  if (loss.cause) parts.push(html("p", {}, "What broke it off: ", html("code", {}, loss.cause)));
  if (lines.length) {
    parts.push(html("pre", { tabindex: "0" }, lines.join("\n")));
    // Numbers are each agent's own.
    const of = loss.agent ? `agent=${encodeURIComponent(loss.agent)}&` : "";
    const file = `loss-${loss.id}.pcapng`;
    parts.push(html("p", {}, html("a", { href: `lost.pcapng?${of}id=${loss.id}`, download: file }, `${file}: its connection's last segments`)));
  }
  return parts;
};

const item = (loss) => {
  const flow = loss.flow ? `${loss.flow.client} → ${loss.flow.server}` : "connection not known";
  const many = loss.count > 1 ? ` × ${number(loss.count)}` : "";
  const line = loss.request ? html("code", {}, loss.request) : html("span", {}, "request line not known");
  const title = html("h3", {}, line, html("span", { class: "count" }, loss.node ? `${loss.node} ${clock(loss.at)}` : clock(loss.at)));
  const where = html("p", {}, `${loss.row}.${loss.reason}${many}, ${loss.target ? `${flow}, copy for ${loss.target}` : flow}`);
  const helps = html("p", { class: "helps soft" }, ...prose(loss.helps));
  const more = html("details", {}, html("summary", {}, `What is known of loss ${loss.id}`), ...facts(loss));
  return html("li", {}, title, where, html("p", {}, ...prose(loss.what)), helps, more);
};

const show = (rule) => {
  const losses = (told?.lost ?? []).filter((loss) => loss.rule === rule).slice(0, SHOWN);
  each(at("last"), losses, ({ id, agent }) => `${agent ?? ""} ${id}`, item, () => {});
  const others = told?.not_kept ? ` ${number(told.not_kept)} others are not kept.` : "";
  const nothing = told?.keep === 0 ? "No losses are kept (--keep-lost 0)." : losses.length ? `The newest first, times in UTC.${others}` : `None is kept.${others}`;
  say(at("last-note"), trouble || (told?.trouble ? `${nothing} ${told.trouble}` : nothing));
};

/** Looks again if more was lost than before: `lost` counts it. */
export const last = async (rule, lost) => {
  // Another podmirror: what the one before it lost is nobody's any more.
  if (lost < asked) {
    told = null;
    show(rule);
  }
  await ask(lost);
  show(rule);
};
