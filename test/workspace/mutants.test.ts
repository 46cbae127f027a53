import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { test } from 'node:test'

const root = fileURLToPath(new URL('../..', import.meta.url))
const script = `
  import { readMutants } from './scripts/mutate/read-mutants.mjs'
  console.log(readMutants().length)
`

test('every mutant changes a condition that its file contains exactly once', () => {
  const { stdout, stderr, status } = spawnSync(process.execPath, ['--input-type=module', '--eval', script], {
    cwd: root,
    encoding: 'utf8',
  })
  assert.equal(status, 0, stderr)
  assert.ok(Number(stdout) >= 150, stdout)
})
