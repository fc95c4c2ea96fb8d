// Draws architecture.dot as SVG: node docs/draw.mjs DOT SVG, with @viz-js/viz in node_modules.
import { createHash } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";

const [dot, svg, modules] = process.argv.slice(2);
const { instance } = createRequire(`${modules}/`)("@viz-js/viz");
const source = readFileSync(dot, "utf8");
const drawn = (await instance()).renderString(source, { format: "svg" });
const digest = createHash("sha256").update(source).digest("hex");
writeFileSync(svg, drawn.replace("<svg", `<!-- source sha256:${digest} -->\n<svg`));
