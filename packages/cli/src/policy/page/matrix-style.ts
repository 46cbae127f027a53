/** The style of the page of a matrix. */
export const matrixStyle: string = `
:root {
  color-scheme: light dark;
  --back: #ffffff; --text: #1d2229; --faint: #59626e; --line: #d0d5dc; --head: #f3f5f8; --link: #0b57a4;
  --allow: #d9f2e0; --allow-text: #0f4d25; --deny: #f4f5f7; --deny-text: #59626e;
  --depends: #fdeec7; --depends-text: #6a4600;
}
@media (prefers-color-scheme: dark) {
  :root {
    --back: #14181d; --text: #e4e8ed; --faint: #a3adb9; --line: #39424e; --head: #1e242b; --link: #84bdf6;
    --allow: #12391f; --allow-text: #a6e6ba; --deny: #1a1f25; --deny-text: #a3adb9;
    --depends: #46340b; --depends-text: #f4d891;
  }
}
* { box-sizing: border-box; }
body { margin: 0; padding: 1rem; background: var(--back); color: var(--text); font: 0.9375rem/1.45 system-ui, sans-serif; }
h1 { margin: 0; font-size: 1.25rem; overflow-wrap: anywhere; }
h2 { font-size: 1.0625rem; }
header p { margin: 0.25rem 0 1rem; color: var(--faint); overflow-wrap: anywhere; }
form { display: flex; flex-wrap: wrap; gap: 0.5rem 1rem; align-items: center; margin-bottom: 0.75rem; }
form[hidden] { display: none; }
label { display: flex; gap: 0.375rem; align-items: center; }
input, select { font: inherit; color: inherit; background: var(--back); border: 1px solid var(--faint); border-radius: 4px; padding: 0.25rem 0.5rem; min-width: 0; max-width: 12rem; }
output { color: var(--faint); }
.legend { display: flex; flex-wrap: wrap; gap: 0.25rem 1.25rem; margin: 0 0 0.75rem; padding: 0; list-style: none; color: var(--faint); }
.legend span { padding: 0.0625rem 0.5rem; border-radius: 4px; }
.scroll { overflow: auto; max-height: 80vh; border: 1px solid var(--line); border-radius: 6px; }
table { border-collapse: separate; border-spacing: 0; }
th, td { border-right: 1px solid var(--line); border-bottom: 1px solid var(--line); text-align: left; vertical-align: top; }
thead th { position: sticky; top: 0; z-index: 1; background: var(--head); padding: 0.375rem 0.625rem; min-width: 6rem; font-weight: 500; }
tbody th { position: sticky; left: 0; background: var(--head); padding: 0.375rem 0.625rem; font-weight: 500; }
thead th:first-child { left: 0; z-index: 2; }
tr.class th, tr.anonymous th { font-style: italic; }
.route, .name { display: block; max-width: 20rem; overflow-wrap: break-word; }
.name { max-width: 32rem; }
.method { color: var(--faint); font-size: 0.8125rem; }
td a { display: block; padding: 0.375rem 0.625rem; color: inherit; text-decoration: none; white-space: nowrap; }
td a:hover { text-decoration: underline; }
.allow { background: var(--allow); color: var(--allow-text); }
.deny { background: var(--deny); color: var(--deny-text); }
.depends { background: var(--depends); color: var(--depends-text); }
.unused { background: var(--back); color: var(--text); box-shadow: inset 0 0 0 2px var(--allow); }
.depends.unused { box-shadow: inset 0 0 0 2px var(--depends); }
summary { cursor: pointer; color: var(--link); }
:focus-visible { outline: 2px solid var(--link); outline-offset: -2px; }
#shown { position: sticky; bottom: 0; margin: 0; padding: 0.5rem 0; background: var(--back); overflow-wrap: anywhere; }
#shown[hidden] { display: none; }
li { overflow-wrap: anywhere; }
li:target { background: var(--depends); color: var(--depends-text); }
@media (max-width: 40rem) {
  body { padding: 0.75rem; }
  label { width: 100%; justify-content: space-between; }
  tbody th { font-size: 0.8125rem; }
  .name { width: 9rem; }
  .route { max-width: 10rem; }
  thead th { font-size: 0.8125rem; }
}
`
