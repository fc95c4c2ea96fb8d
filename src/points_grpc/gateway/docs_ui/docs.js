"use strict";

const links = [...document.querySelectorAll("nav a")];
const asked = location.search;
const chosen = links.find((link) => link.search === asked) || links[0];
const name = new URLSearchParams(chosen.search).get("api");
const url = `/docs/openapi/${name}.json`;

chosen.setAttribute("aria-current", "page");
document.getElementById("document").href = url;
document.title = `Points: ${chosen.textContent}`;

window.ui = SwaggerUIBundle({
  url,
  dom_id: "#api",
  deepLinking: true,
  displayRequestDuration: true,
  docExpansion: "list",
  defaultModelsExpandDepth: 0,
  persistAuthorization: true,
  // Else it would ask a validator on the internet.
  validatorUrl: null,
});
