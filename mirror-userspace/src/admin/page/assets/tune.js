// The sample rate of the rule that is shown, where podmirror lets browsers change it (--ui-tune; kubectl podmirror ui).

import { at, say } from "./dom.js";

let rule = "";
/** Whether one says by a token that one may; else it is enough to be here. */
let byToken = true;

/** The rule that is shown, from now on. */
export const aim = (name) => {
  rule = name;
};

const set = async (event) => {
  event.preventDefault();
  const headers = byToken ? { "x-podmirror-token": at("token").value } : {};
  const rate = at("rate").value.trim();
  say(at("tuned"), "…");
  try {
    const reply = await fetch("sample-rate", { method: "PUT", headers, body: `${rate}\t${rule}` });
    const text = (await reply.text()).trim();
    say(at("tuned"), reply.ok && byToken ? `It is ${rate} now.` : text);
  } catch {
    say(at("tuned"), "podmirror does not answer.");
  }
};

const start = async () => {
  const may = await fetch("sample-rate", { method: "HEAD" }).catch(() => null);
  at("tune").hidden = !may?.ok;
  byToken = may?.headers.get("x-podmirror-tuning") !== "address";
  at("token").parentElement.hidden = !byToken;
  at("token").required = byToken;
  at("tune").addEventListener("submit", set);
};
start();
