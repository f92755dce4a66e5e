// Shows the invitation's code, which stands in the address after the # sign and is not sent to any server.
"use strict";

const byId = (id) => document.getElementById(id);

function show() {
  const token = location.hash.slice(1);
  const whole = /^dbi_[A-Za-z0-9_-]{64}$/.test(token);
  byId("invited").hidden = !whole;
  byId("broken").hidden = whole;
  byId("token").textContent = whole ? token : "";
  byId("copied").textContent = "";
}

async function copy() {
  try {
    await navigator.clipboard.writeText(byId("token").textContent);
    byId("copied").textContent = "Copied.";
  } catch {
    // Without a secure connection browsers refuse: the code is marked, ready to be copied by hand.
    getSelection().selectAllChildren(byId("token"));
    byId("copied").textContent = "Marked: copy it from here.";
  }
}

byId("copy").addEventListener("click", copy);
addEventListener("hashchange", show);
show();
