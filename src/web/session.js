// The API key, kept for the session.
//
// It lies in sessionStorage, which ends with the tab. Other open tabs of the page hand it over to a new one, so
// that it is asked for once; nothing of it outlives the last tab.

const NAME = "voz.key";
const HAND_OVER_MS = 150;

const channel = "BroadcastChannel" in window ? new BroadcastChannel("voz") : null;
const listeners = new Set();
let current = sessionStorage.getItem(NAME);

export function key() {
  return current;
}

/** Call `listener(why)` whenever there is a new key, or none any more; `why` is the reason, if there is one. */
export function onKey(listener) {
  listeners.add(listener);
}

function keep(found, why = "") {
  current = found;
  if (found) sessionStorage.setItem(NAME, found);
  else sessionStorage.removeItem(NAME);
  listeners.forEach((listener) => listener(why));
}

/** Take a key that the server has accepted. */
export function takeKey(found) {
  keep(found);
  channel?.postMessage({ key: found });
}

/** The server refuses a key that it took before: it was rotated. */
export function refuseKey(refused) {
  if (refused && refused === current) keep(null, "refused");
}

/** Forget the key, in every tab. */
export function forgetKey() {
  keep(null);
  channel?.postMessage({ forget: true });
}

/** Take the key of this tab or of another; null: somebody must be asked. */
export async function findKey() {
  channel?.addEventListener("message", ({ data }) => {
    if (data.asks && current) channel.postMessage({ key: current });
    if (data.key && !current) keep(data.key);
    if (data.forget && current) keep(null);
  });
  if (!current && channel) {
    channel.postMessage({ asks: true });
    await new Promise((resolve) => setTimeout(resolve, HAND_OVER_MS));
  } else if (current) keep(current);
  return current;
}
