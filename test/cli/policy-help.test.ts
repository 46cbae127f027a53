import assert from 'node:assert/strict'
import test from 'node:test'
import { runPolicy } from './policy-documents.ts'

for (const name of ['check', 'explain', 'who-can', 'what-can', 'matrix', 'diff', 'test', 'convert']) {
  test(`the help of policy ${name} shows examples, the exit codes, and only options that it lists`, async () => {
    const { exitCode, output, errors } = await runPolicy(name, '--help')

    assert.equal(errors, '')
    assert.equal(exitCode, 0)
    const [listed = '', examples = ''] = output.split('\nExamples:\n')
    assert.match(examples, new RegExp(`^  \\$ countersign policy ${name}`, 'm'))
    assert.match(examples, /^Exit codes: 0 .*1 .*2 |^Exit codes: 0 .*2 .*1 is not used/ms)
    for (const [option] of examples.matchAll(/--[a-z-]+/g)) assert.ok(listed.includes(`${option} `), option)
    assert.ok(output.split('\n').every((line) => line.length <= 80))
  })

  test(`policy ${name} without arguments prints one line and exits with 2`, async () => {
    const { exitCode, output, errors } = await runPolicy(name)

    assert.equal(exitCode, 2)
    assert.equal(output, '')
    assert.match(errors, /^countersign: .+\n$/)
  })
}

test('the help of policy names every command', async () => {
  const { exitCode, output } = await runPolicy('--help')

  assert.equal(exitCode, 0)
  assert.match(output, /check.*explain.*who-can.*what-can.*matrix.*diff.*test.*convert/s)
  assert.ok(output.split('\n').every((line) => line.length <= 80))
})
