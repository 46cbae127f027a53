import assert from 'node:assert/strict'
import { existsSync, readdirSync, statSync } from 'node:fs'
import { dirname, join } from 'node:path'
import test from 'node:test'
import { obey, runExample, startExample } from './start-example.ts'

test('the demo answers every call as expected and reports it in plain text', async () => {
  const { exitCode, output, errors } = await runExample('internal-api')

  assert.equal(errors, '')
  assert.equal(exitCode, 0, output)
  const lines = output.trimEnd().split('\n')
  const calls = lines.filter((line) => / (Fastify|Express) /.test(line))
  const ending = `all ${calls.length} calls had the expected result, and none failed while certificates were replaced`
  assert.equal(lines.at(-1), ending)
  const rotations = lines.filter((line) =>
    /^(Fastify|Express) +\d+ calls, 0 failed, from .*, replaced \d+ times/.test(line),
  )
  assert.equal(rotations.length, 4)
  for (const line of rotations) {
    const replaced = Number(/replaced (\d+) times/.exec(line)?.[1])
    assert.equal(new Set(line.match(/…[0-9a-f]{6}/g)).size, replaced + 1, line)
  }
  assert.ok(!output.includes('\u001b'))
  assert.deepEqual(readAnswers(calls, 'Fastify'), readAnswers(calls, 'Express'))
})

test('the demo shows each call when it is made, and not all of them at the end', async () => {
  const example = await startExample('internal-api', / Express +200/)
  assert.ok(!example.output.includes('at expiry'), example.output)
  await example.stop()
})

test('an unknown argument prints the usage', async () => {
  const { exitCode, output, errors } = await runExample('internal-api', ['--server'])

  assert.equal(exitCode, 2)
  assert.equal(output, '')
  assert.match(errors, /--server.*\nusage: /)
})

test('the demo keeps running with --serve, its commands work, and it leaves nothing behind', async () => {
  const example = await startExample('internal-api', /never sent to the caller/, ['--serve'])
  const commands = readCommands(example.output)
  const folder = dirname(/--cacert (\S+)/.exec(example.output)?.[1] ?? '')
  try {
    for (const name of ['allowed', 'authenticated, but not allowed', 'not authenticated']) {
      assert.equal(commands.filter(({ heading }) => heading.startsWith(name)).length > 0, true, name)
    }
    for (const { heading, command } of commands) {
      const status = await obey(command).then(
        (answer) => answer.status,
        () => 'no response',
      )
      const expected = heading.startsWith('not authenticated') ? 'no response' : Number(/\d{3}/.exec(heading)?.[0])
      assert.equal(status, expected, command)
    }
    const keys = readdirSync(folder).filter((file) => file.endsWith('.key'))
    assert.ok(keys.length > 0)
    for (const key of keys) assert.equal(statSync(join(folder, key)).mode & 0o777, 0o600, key)
  } finally {
    assert.equal(await example.stop(), 0)
  }
  assert.ok(!existsSync(folder))
})

/** Caller, request and answer of each line of one framework. */
function readAnswers(lines: readonly string[], framework: string): readonly (readonly (string | undefined)[])[] {
  return lines
    .map((line) => line.split(/ {2,}/))
    .filter((cells) => cells[2] === framework)
    .map(([caller, request, , answer]) => [caller, request, answer])
}

/** Each command with the heading above it, which states the result of the call. */
function readCommands(output: string): readonly { readonly heading: string; readonly command: string }[] {
  let heading = ''
  return output.split('\n').flatMap((line) => {
    if (line.startsWith('# ')) heading = line.slice(2)
    return line.startsWith('curl ') ? [{ heading, command: line }] : []
  })
}
