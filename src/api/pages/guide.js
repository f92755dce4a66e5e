// The guides: this server's own address in their examples, and a button that copies what is for a shell.
"use strict";

for (const place of document.querySelectorAll("[data-origin]")) place.textContent = location.origin;

for (const sample of document.querySelectorAll(".sample")) {
  const code = sample.querySelector("code");
  const button = document.createElement("button");
  button.className = "button";
  button.type = "button";
  button.textContent = "Copy";
  button.title = `Copy: ${sample.querySelector("pre").getAttribute("aria-label")}`;
  button.setAttribute("aria-live", "polite");
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(code.textContent);
      button.textContent = "Copied";
    } catch {
      // Without a secure connection browsers refuse: it is marked, ready to be copied by hand.
      getSelection().selectAllChildren(code);
      button.textContent = "Marked";
    }
    setTimeout(() => (button.textContent = "Copy"), 2000);
  });
  sample.append(button);
}
