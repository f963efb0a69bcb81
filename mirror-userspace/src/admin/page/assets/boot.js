// Loads the page's script with all its parts. One that does not come (the network changes, podmirror just restarts)
// would leave a page that says nothing, for ever: then all of it is loaded again once podmirror answers.

const AGAIN = 3000; // ms between two tries

const answers = async () => {
  try {
    return (await fetch("reasons.json")).ok;
  } catch {
    return false;
  }
};

const again = async () => {
  if (await answers()) location.reload();
  else setTimeout(again, AGAIN);
};

try {
  await import("./app.js");
} catch (error) {
  const link = document.getElementById("link");
  link.textContent = "podmirror does not answer: trying again";
  link.className = "gone";
  setTimeout(again, AGAIN);
  throw error;
}
