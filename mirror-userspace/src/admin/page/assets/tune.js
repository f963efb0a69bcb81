// The sample rate of the rule that is shown, where podmirror lets browsers change it (--ui-tune).

import { at, say } from "/dom.js";

let rule = "";

/** The rule that is shown, from now on. */
export const aim = (name) => {
  rule = name;
};

const set = async (event) => {
  event.preventDefault();
  const headers = { "x-podmirror-token": at("token").value };
  try {
    const reply = await fetch("/sample-rate", { method: "PUT", headers, body: `${at("rate").value.trim()}\t${rule}` });
    const text = (await reply.text()).trim();
    say(at("tuned"), reply.ok ? `It is ${at("rate").value.trim()} now.` : text);
  } catch {
    say(at("tuned"), "podmirror does not answer.");
  }
};

const start = async () => {
  const may = await fetch("/sample-rate", { method: "HEAD" }).catch(() => ({ ok: false }));
  at("tune").hidden = !may.ok;
  at("tune").addEventListener("submit", set);
};
start();
