import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'

const script = fileURLToPath(new URL('../../scripts/with-progress.mjs', import.meta.url))

/** Runs a command through the script, without a terminal. */
async function run(...command: readonly string[]): Promise<{ readonly shown: string; readonly status: number | null }> {
  const child = spawn(process.execPath, [script, 'doing it', ...command], { stdio: ['ignore', 'pipe', 'pipe'] })
  const [output, errors] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')])
  assert.equal(output, '')
  return { shown: errors, status: child.exitCode }
}

const runScript = (source: string): ReturnType<typeof run> => run(process.execPath, '--eval', source)

test('shows every two seconds that a command is still running, and its last reported progress', async () => {
  const { shown, status } = await runScript(`
    console.log('noise\\nProgress: resolved 1, added 0')
    console.log('Progress: resolved 7, added 3')
    setTimeout(() => undefined, 3000)
  `)
  assert.match(shown, /^doing it: 2 s, resolved 7, added 3\n/)
  assert.ok(!shown.includes('noise'))
  assert.equal(status, 0)
})

test('shows no output of a command that succeeds', async () => {
  const { shown, status } = await runScript("console.log('noise'); console.error('noise')")
  assert.deepEqual([shown.includes('noise'), status], [false, 0])
})

test('shows all output of a command that fails, and exits with its exit code', async () => {
  const { shown, status } = await runScript("console.log('first'); console.error('second'); process.exitCode = 3")
  // On a slow machine it may already have shown progress earlier.
  const output = shown.split('\n').filter((line) => !line.startsWith('doing it'))
  assert.deepEqual(output.toSorted(), ['', 'first', 'second'])
  assert.equal(status, 3)
})

test('exits like a shell if the command does not exist', { skip: process.platform === 'win32' }, async () => {
  const { shown, status } = await run('there-is-no-such-command')
  assert.match(shown, /ENOENT/)
  assert.equal(status, 127)
})
