/** The style of the reference page: for light and dark, wide and narrow, mouse and keyboard. */
export const STYLE = `
:root {
  color-scheme: light dark;
  --page: light-dark(#fafaf7, #121417);
  --panel: light-dark(#ffffff, #1a1d21);
  --code: light-dark(#f1f1ec, #23272d);
  --line: light-dark(#e2e2dc, #2e333a);
  --text: light-dark(#1c1f24, #e3e6ea);
  --dim: light-dark(#5a6270, #9ca5b2);
  --accent: light-dark(#3b4cb8, #a3b4ff);
  --get: light-dark(#0a62b8, #79bcff);
  --post: light-dark(#17703a, #6fd08c);
  --patch: light-dark(#8a5300, #e8b45e);
  --delete: light-dark(#b3261e, #ff9b92);
  --mono: ui-monospace, "SF Mono", "Cascadia Code", Menlo, Consolas, monospace;
}
* { box-sizing: border-box; scrollbar-color: var(--dim) transparent; }
html { scroll-padding-top: 1.5rem; }
body {
  margin: 0;
  display: grid;
  grid-template-columns: 18rem minmax(0, 1fr);
  background: var(--page);
  color: var(--text);
  font: 1rem/1.6 system-ui, sans-serif;
}
a { color: var(--accent); text-underline-offset: 0.2em; }
:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; border-radius: 4px; }
main:focus { outline: none; }
code { font: 0.875em/1.5 var(--mono); overflow-wrap: anywhere; }
p code, main li code { background: var(--code); padding: 0.1em 0.35em; border-radius: 4px; }
pre {
  margin: 0.75rem 0;
  padding: 0.9rem 1rem;
  overflow-x: auto;
  background: var(--code);
  border: 1px solid var(--line);
  border-radius: 8px;
}
pre code { display: block; overflow-wrap: normal; }
p, ul { margin: 0.5rem 0; }
.skip { position: absolute; left: -100vw; padding: 0.5rem 1rem; background: var(--panel); z-index: 1; }
.skip:focus { left: 1rem; top: 1rem; }

nav {
  position: sticky;
  top: 0;
  height: 100vh;
  padding: 2rem 1rem 2rem 1.5rem;
  overflow-y: auto;
  border-right: 1px solid var(--line);
  font-size: 0.875rem;
}
nav ul { list-style: none; margin: 0; padding: 0; }
nav > ul > li { margin-bottom: 1rem; }
nav a { display: flex; gap: 0.5rem; padding: 0.2rem 0; color: inherit; text-decoration: none; }
nav > ul > li > a { font-weight: 650; }
nav li li a { color: var(--dim); }
nav a:hover { color: var(--accent); text-decoration: underline; }
nav .method { flex: 0 0 3.2rem; line-height: 1.4rem; }

main { padding: 2rem clamp(1rem, 4vw, 4rem) 6rem; max-width: 60rem; }
h1 { margin: 0; font-size: 2.25rem; line-height: 1.2; letter-spacing: -0.02em; }
h1 small { font-size: 1rem; font-weight: 400; letter-spacing: 0; color: var(--dim); }
h2 { margin: 3.5rem 0 0.5rem; font-size: 1.5rem; letter-spacing: -0.01em; }
h3 { margin: 0; font-size: 1.125rem; }
h3 a { color: inherit; text-decoration: none; }
h3 a:hover { text-decoration: underline; }
h4, h5 { margin: 1.5rem 0 0.5rem; font-size: 0.9375rem; }
h5 { margin-top: 1rem; font-size: 0.875rem; }
article {
  margin: 1.25rem 0;
  padding: 1.25rem 1.5rem 1rem;
  background: var(--panel);
  border: 1px solid var(--line);
  border-radius: 12px;
}
article:target { border-color: var(--accent); box-shadow: 0 0 0 1px var(--accent); }
.route { display: flex; flex-wrap: wrap; gap: 0.25rem 0.75rem; align-items: baseline; }
.route code { background: none; padding: 0; font-size: 0.9375rem; }
.method {
  color: var(--dim);
  font: 700 0.75rem/1.6 var(--mono);
  text-transform: uppercase;
}
.get { color: var(--get); }
.post { color: var(--post); }
.patch { color: var(--patch); }
.delete { color: var(--delete); }
.note { color: var(--dim); font-size: 0.875rem; font-weight: 400; }
.required { color: var(--delete); font-size: 0.8125rem; }
.bounds { color: var(--dim); font-size: 0.875rem; }

.fields { margin: 0.5rem 0; }
.fields > div {
  display: grid;
  grid-template-columns: minmax(9rem, 2fr) 5fr;
  gap: 0 1.5rem;
  padding: 0.5rem 0;
  border-top: 1px solid var(--line);
}
.fields > div:has(:target) { box-shadow: -0.75rem 0 var(--page), -1rem 0 var(--accent); }
.fields dt .note { margin-left: 0.25rem; }
.fields dd { margin: 0; min-width: 0; }
.fields dd > :first-child { margin-top: 0; }
.fields p, .fields ul { margin: 0 0 0.25rem; }
.fields .inside { grid-column: 1 / -1; }
.fields .fields { padding-left: 0.75rem; border-left: 2px solid var(--line); }
details { margin: 0.25rem 0; }
summary { cursor: pointer; color: var(--accent); }
.answer { border-top: 1px solid var(--line); padding: 0.4rem 0; margin: 0; }
.answer > summary { color: inherit; }
.answer > summary b { font-family: var(--mono); color: var(--post); margin-right: 0.4rem; }
.errors { border-top: 1px solid var(--line); padding-top: 0.4rem; color: var(--dim); }
.errors a { margin-left: 0.25rem; font: 0.875rem var(--mono); }

@media (max-width: 52rem) {
  body { display: block; }
  nav { position: static; height: auto; border-right: 0; border-bottom: 1px solid var(--line); }
  nav { padding: 1.25rem 1rem; }
  article { padding: 1rem; }
  .fields > div { grid-template-columns: minmax(0, 1fr); }
}
@media print {
  body { display: block; }
  nav { display: none; }
}
`;
