// The three things that one wants to know first: what is mirrored where, what is lost and why, whether v2 is any good.

import { at, prose, say, set } from "./dom.js";
import { total } from "./books.js";
import { many, number, percent, perSecond } from "./format.js";
import { counted } from "./panels.js";
import { differs, inWords, isBetter, isWorse, routes, sureness } from "./routes.js";

const tell = (id, kind, title, text) => {
  const [head, words] = at(id).children;
  set(at(id), "class", kind);
  say(head, title);
  if (words.dataset.text !== text) words.replaceChildren(...prose(text)), (words.dataset.text = text);
};

const mirrored = (now) => {
  const { targets } = now;
  if (!targets.length) return tell("glance-mirrored", "", "Nothing is sent", "Requests are looked at, and copied nowhere.");
  const to = targets.map(({ name, ratio }) => `${percent(ratio)} to ${name.replace(/^https?:\/\//, "")}`).join(", ");
  const rates = `${perSecond(now.sent)} of ${perSecond(now.seen)} requests per second.`;
  tell("glance-mirrored", now.sent > 0 ? "v2" : "", `Mirrored: ${to}`, `${rates} v1 waits for none of it, and replies to copies are dropped.`);
};

const lost = (reasons, now) => {
  const { requests, replies } = now.rule.ledger;
  const [all, framed] = [total(requests.dropped) + total(replies.failed), Math.max(1, requests.framed)];
  const [most, ...others] = counted(reasons, now).filter((it) => it.loss);
  if (!most) return tell("glance-lost", "good", "Lost: nothing", "Every request that was wanted reached its target.");
  const more = others.length ? ` And ${many(others.length, "other reason")}, below.` : "";
  const title = all ? `Lost: ${number(all)} requests, ${percent(all / framed)}` : `Lost: ${number(most.count)} ${most.key}`;
  tell("glance-lost", now.lost > 0 ? "bad" : "warn", title, `${most.what} ${most.helps}${more}`);
};

const good = (now) => {
  const report = now.rule.ledger.verdict;
  if (!report) {
    return tell("glance-good", "", "v2: not compared", "With `--compare v1` and `role=candidate` behind the target, what v2 answers is compared with what v1 did.");
  }
  const found = `${number(report.compared)} requests compared`;
  if (report.verdict === "same") return tell("glance-good", "good", "v2: as good as v1", `Within the margins, ${percent(1 - report.alpha)} sure; ${found}.`);
  if (report.verdict !== "differs") return tell("glance-good", "", "v2: too few requests to tell", `${found} so far.`);
  const all = routes(report).filter((it) => differs(it.finding));
  const [worst, ...others] = [...all, { name: "all requests", finding: report.findings.find(differs) }];
  const { name, finding } = worst;
  if (!finding) return tell("glance-good", "warn", "v2: its replies differ", `See what differs below; ${found}.`);
  const how = isWorse(finding) ? "worse" : isBetter(finding) ? "better" : "other replies";
  const kind = isWorse(finding) ? "bad" : isBetter(finding) ? "good" : "warn";
  const more = others.length > 1 ? ` And ${many(others.length - 1, "other route")} on which it differs.` : "";
  tell("glance-good", kind, `v2: ${how} on ${name}`, `${inWords(finding)}. ${sureness(finding)}${more}`);
};

export const glance = (reasons, now) => {
  mirrored(now);
  lost(reasons, now);
  good(now);
};
