/** Fails if a class of the modules in the arguments is renamed: logs and assertions of tests show its name. */
import assert from 'node:assert/strict'

for (const module of process.argv.slice(2)) {
  for (const [name, value] of Object.entries(await import(module))) {
    if (/^class\b/.test(String(value))) assert.equal(value.name, name, module)
  }
}
